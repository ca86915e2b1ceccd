//! Beside each mariadbd: parent process, door, boot gate, lease.
