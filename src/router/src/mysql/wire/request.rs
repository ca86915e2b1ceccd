//! Payloads of a client's commands, except those of prepared statements. A payload includes its command byte.

use super::packet::{Fields, Malformed};

/// The connection id of a COM_PROCESS_KILL.
pub(crate) fn process_kill(payload: &[u8]) -> Result<u32, Malformed> {
    let mut fields = Fields(payload);
    fields.u8()?;
    fields.u32()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_names_a_connection() {
        assert_eq!(process_kill(&[0x0c, 1, 2, 0, 0]), Ok(513));
        assert!(process_kill(&[0x0c, 1]).is_err());
    }
}
