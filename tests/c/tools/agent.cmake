# opamp-agent: its parts, and itself from outside by its contract.
foreach(unit cli child attributes configdir)
  opamp_test(agent_${unit} SOURCES agent_${unit}.c
    LIBRARIES agent_parts LABELS tools)
endforeach()

# Reaches the hook of the heap, so it links the layers.
opamp_test(agent_configdir_nomem SOURCES agent_configdir_nomem.c
  LAYERS runtime core transport wire base
  LIBRARIES ${OPAMP_WIRE_LIBS} ${OPAMP_NET_LIBS} LABELS tools)

add_test(NAME agent_contract COMMAND Python3::Interpreter
  ${CMAKE_CURRENT_SOURCE_DIR}/agent_contract.py $<TARGET_FILE:opamp-agent>
  $<TARGET_FILE:opamp-peer>)
set_tests_properties(agent_contract PROPERTIES TIMEOUT 180 LABELS tools)
