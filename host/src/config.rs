//! Resolves flags, files and environment (given as a value) into settings.
