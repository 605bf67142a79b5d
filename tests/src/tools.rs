//! Finds the programs that tests need, and says what is missing.
