# Generates fields.h anew and compares it with the committed one.
execute_process(COMMAND ${GENERATOR} OUTPUT_FILE ${FRESH}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${FRESH} ${HEADER}
  RESULT_VARIABLE differs)
if(differs)
  message(FATAL_ERROR "fields.h is not what its generator writes: "
    "build the target opamp_fields")
endif()
