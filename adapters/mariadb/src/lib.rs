//! MariaDB: observe and act, without policy.
