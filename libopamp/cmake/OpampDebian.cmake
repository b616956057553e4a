# OPAMP_DEBIAN_PACKAGES, what ./dev package turns on: packages for Debian by
# CPack, one for each component of the installation.
set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL lib dev tools)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE
  OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PACKAGE_NAME opamp)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(version ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
set(OPAMP_DEBIAN_MAINTAINER "local build <nobody@libopamp.invalid>"
  CACHE STRING "Who answers for the Debian packages")
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${OPAMP_DEBIAN_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/libopamp)
set(about "It lets a server see the state and health of its agents and hand
out their configuration, over WebSocket or plain HTTP.

")

set(CPACK_DEBIAN_LIB_PACKAGE_NAME libopamp0)
set(CPACK_DEBIAN_LIB_PACKAGE_SECTION libs)
# CPack's own would call ldconfig from scripts, as was done before triggers.
set(control ${CMAKE_CURRENT_BINARY_DIR}/debian/control)
file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
file(WRITE ${control}/shlibs "libopamp 0 libopamp0 (>= ${PROJECT_VERSION})\n")
set(CPACK_DEBIAN_LIB_PACKAGE_CONTROL_EXTRA
  ${control}/triggers ${control}/shlibs)
# dpkg-shlibdeps does not know since when packed relocations are understood, nor
# what is loaded when it is needed.
set(CPACK_DEBIAN_LIB_PACKAGE_DEPENDS "libc6 (>= 2.36), libcurl4 (>= 7.88)")
if(OPAMP_WITH_WEBSOCKET)
  # libwebsockets only recommends it.
  string(APPEND CPACK_DEBIAN_LIB_PACKAGE_DEPENDS ", libwebsockets-evlib-uv")
endif()
set(CPACK_COMPONENT_LIB_DESCRIPTION
  "${about}This package contains the shared library.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libopamp-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(needed "libopamp0 (= ${version})" libcurl4-openssl-dev libprotobuf-c-dev
  libssl-dev libuv1-dev zlib1g-dev)
if(OPAMP_WITH_WEBSOCKET)
  list(APPEND needed libwebsockets-dev)
endif()
list(JOIN needed ", " CPACK_DEBIAN_DEV_PACKAGE_DEPENDS)
set(CPACK_COMPONENT_DEV_DESCRIPTION
  "${about}This package contains headers, the static library, and files for
pkg-config and CMake.")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME opamp-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION net)
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "libopamp0 (= ${version})")
set(CPACK_COMPONENT_TOOLS_DESCRIPTION
  "${about}This package contains opamp-agent, which manages the configuration of
any program, opamp-fleet, many agents in one process, and opamp-peer, a server
for one desk and for tests.")

# What Debian wants in /usr/share/doc.
find_program(GZIP_PROGRAM gzip REQUIRED)
function(opamp_gzip from to)
  execute_process(COMMAND ${GZIP_PROGRAM} -9nc ${from} OUTPUT_FILE ${to}
    COMMAND_ERROR_IS_FATAL ANY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${from})
endfunction()

set(doc ${CMAKE_CURRENT_BINARY_DIR}/debian)
set(locale $ENV{LC_ALL})
set(ENV{LC_ALL} C)
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(ENV{LC_ALL} ${locale})
foreach(name copyright changelog)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/debian_${name}.in ${doc}/${name}
    @ONLY)
endforeach()
opamp_gzip(${PROJECT_SOURCE_DIR}/CHANGELOG.md ${doc}/changelog.gz)
opamp_gzip(${doc}/changelog ${doc}/changelog.Debian.gz)
foreach(component LIB DEV TOOLS)
  string(TOLOWER ${component} lower)
  install(FILES ${doc}/copyright ${doc}/changelog.gz ${doc}/changelog.Debian.gz
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${component}_PACKAGE_NAME}
    COMPONENT ${lower})
endforeach()
include(CPack)
