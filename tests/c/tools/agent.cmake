# opamp-agent: its parts, and itself from outside by its contract.
foreach(unit cli child attributes configdir)
  opamp_test(agent_${unit} SOURCES agent_${unit}.c
    LIBRARIES agent_parts LABELS tools)
endforeach()
