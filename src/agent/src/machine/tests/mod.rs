//! Rules of the machine, one file per concern.
