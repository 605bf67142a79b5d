//! A registry that lies on a script.
