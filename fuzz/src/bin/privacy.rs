#![no_main]

conversion_relay_fuzz::fuzz!(privacy);
