# The libraries libopamp stands on, in the versions of Debian 12 or newer. A
# missing one is named together with the package that brings it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# opamp_check(<name> <found> <its version> <version needed> <package>)
function(opamp_check name found has version package)
  if(NOT found)
    message(FATAL_ERROR "${name} ${version} or newer is missing. "
      "On Debian: apt-get install ${package}")
  elseif(has VERSION_LESS version)
    message(FATAL_ERROR "${name} is ${has}; "
      "${version} or newer is needed (${package})")
  endif()
endfunction()

macro(opamp_need name module version package)
  pkg_check_modules(${name} IMPORTED_TARGET ${module})
  opamp_check(${module} "${${name}_FOUND}" "${${name}_VERSION}" ${version}
    ${package})
endmacro()

opamp_need(protobuf_c libprotobuf-c 1.4 libprotobuf-c-dev)
if(OPAMP_CORE_ONLY)
  return()
endif()
opamp_need(uv libuv 1.44 libuv1-dev)
find_package(CURL)
opamp_check(libcurl "${CURL_FOUND}" "${CURL_VERSION_STRING}" 7.88
  libcurl4-openssl-dev)
find_package(OpenSSL)
opamp_check(OpenSSL "${OPENSSL_FOUND}" "${OPENSSL_VERSION}" 3.0 libssl-dev)
find_package(ZLIB)
opamp_check(zlib "${ZLIB_FOUND}" "${ZLIB_VERSION_STRING}" 1.2 zlib1g-dev)

# opamp_runs(<variable> <source> …): whether a small program of this directory
# can be built and then ends with 0; true when cross compiling. Asked anew each
# time until it is true.
function(opamp_runs variable source)
  if(CMAKE_CROSSCOMPILING)
    set(${variable} TRUE CACHE INTERNAL "")
  elseif(NOT ${variable})
    try_run(exit_code compiled ${PROJECT_BINARY_DIR}/CMakeFiles/${variable}
      ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${source} ${ARGN})
    if(compiled AND exit_code EQUAL 0)
      set(${variable} TRUE CACHE INTERNAL "")
    endif()
    unset(exit_code CACHE)
    unset(compiled CACHE)
  endif()
endfunction()

set(opamp_lws)
if(OPAMP_WITH_WEBSOCKET)
  opamp_need(lws libwebsockets 4.1.6 libwebsockets-dev)
  opamp_runs(OPAMP_LWS_ON_LIBUV lws_on_libuv.c
    LINK_LIBRARIES PkgConfig::lws PkgConfig::uv)
  if(NOT OPAMP_LWS_ON_LIBUV)
    message(FATAL_ERROR "libwebsockets cannot run on libuv here: its plugin "
      "is missing. On Debian: apt-get install libwebsockets-evlib-uv "
      "(or configure with -DOPAMP_WITH_WEBSOCKET=OFF)")
  endif()
  set(opamp_lws PkgConfig::lws)
endif()
