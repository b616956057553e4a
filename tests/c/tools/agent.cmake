# opamp-agent: its parts, and itself from outside by its contract.
foreach(unit cli child attributes configdir)
  opamp_test(agent_${unit} SOURCES agent_${unit}.c
    LIBRARIES agent_parts LABELS tools)
endforeach()

add_test(NAME agent_contract COMMAND Python3::Interpreter
  ${CMAKE_CURRENT_SOURCE_DIR}/agent_contract.py $<TARGET_FILE:opamp-agent>
  $<TARGET_FILE:opamp-peer>)
set_tests_properties(agent_contract PROPERTIES TIMEOUT 180 LABELS tools)
