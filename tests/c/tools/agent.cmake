# opamp-agent: its parts, and itself from outside by its contract.
foreach(unit cli child attributes)
  opamp_test(agent_${unit} SOURCES agent_${unit}.c
    LIBRARIES agent_parts LABELS tools)
endforeach()

# opamp/configdir.h, which it stands on.
foreach(unit configdir configdir_names configdir_place configdir_crash
    configdir_errors configdir_nomem)
  opamp_test(agent_${unit} SOURCES agent_${unit}.c agent_configdir_rig.c ../place.c
    LAYERS runtime core transport wire base
    LIBRARIES ${OPAMP_WIRE_LIBS} ${OPAMP_NET_LIBS} LABELS tools)
endforeach()
target_sources(test_agent_configdir_crash PRIVATE ../place_killed.c)
# The system calls whose failure is tried.
foreach(call openat mkdirat renameat renameat2 unlinkat fsync fchown fchmod
    write close fstatat)
  target_link_options(test_agent_configdir_errors PRIVATE -Wl,--wrap=${call})
endforeach()

foreach(contract agent settings certificate)
  add_test(NAME ${contract}_contract COMMAND Python3::Interpreter
    ${CMAKE_CURRENT_SOURCE_DIR}/${contract}_contract.py
    $<TARGET_FILE:opamp-agent> $<TARGET_FILE:opamp-peer>)
  set_tests_properties(${contract}_contract PROPERTIES
    TIMEOUT 180 LABELS tools)
endforeach()
