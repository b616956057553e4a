# The libraries libopamp stands on, in the versions of Debian 12 or newer. A
# missing one is named together with the package that brings it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

macro(opamp_need name module version package)
  pkg_check_modules(${name} IMPORTED_TARGET ${module})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${module} ${version} or newer is missing. "
      "On Debian: apt-get install ${package}")
  elseif("${${name}_VERSION}" VERSION_LESS "${version}")
    message(FATAL_ERROR "${module} is ${${name}_VERSION}; "
      "${version} or newer is needed (${package})")
  endif()
endmacro()

opamp_need(lws libwebsockets 4.1.6 libwebsockets-dev)
opamp_need(uv libuv 1.44 libuv1-dev)
opamp_need(protobuf_c libprotobuf-c 1.4 libprotobuf-c-dev)
find_package(CURL 7.88 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB REQUIRED)

find_program(PROTOC_C NAMES protoc-c)
if(NOT PROTOC_C)
  message(FATAL_ERROR "protoc-c is missing. "
    "On Debian: apt-get install protobuf-c-compiler")
endif()
