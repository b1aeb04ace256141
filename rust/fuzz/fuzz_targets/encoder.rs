#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| jupyter_sse_hub::fuzzing::encoder(data));
