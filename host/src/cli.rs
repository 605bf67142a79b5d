//! The command line: clap, terminal, exit codes, and the wiring of adapters to ports.
