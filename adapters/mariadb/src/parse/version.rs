//! The server's version, from the line that `mariadbd --version` prints.

use std::fmt;

/// The oldest server that truncates unacknowledged transactions when booted with `--init-rpl-role=SLAVE` (MDEV-33465).
pub const OLDEST_SUPPORTED: Version = Version {
    major: 10,
    minor: 11,
    patch: 9,
};

/// A MariaDB version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 10 in 10.11.19.
    pub major: u32,
    /// 11 in 10.11.19.
    pub minor: u32,
    /// 19 in 10.11.19.
    pub patch: u32,
}

impl Version {
    /// Finds the version in the output of `mariadbd --version`; `None` if this is no MariaDB.
    #[must_use]
    pub fn from_banner(banner: &str) -> Option<Self> {
        let after = banner.split("Ver ").nth(1)?;
        let word = after.split_whitespace().next()?;
        let (numbers, rest) = word.split_once('-')?;
        if !rest.starts_with("MariaDB") {
            return None;
        }
        let mut parts = numbers.splitn(3, '.').map(|part| part.parse().ok());
        Some(Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
        })
    }

    /// Whether the failover protocol was verified on this series: 10.11 from 10.11.9 on.
    #[must_use]
    pub fn is_supported(self) -> bool {
        (self.major, self.minor) == (OLDEST_SUPPORTED.major, OLDEST_SUPPORTED.minor) && self >= OLDEST_SUPPORTED
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(banner: &str) -> Option<String> {
        Version::from_banner(banner).map(|v| v.to_string())
    }

    #[test]
    fn reads_debian_and_upstream_banners() {
        let debian = "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)";
        assert_eq!(version(debian).as_deref(), Some("10.11.19"));
        assert_eq!(
            version("mysqld  Ver 11.4.2-MariaDB for Linux").as_deref(),
            Some("11.4.2")
        );
    }

    #[test]
    fn other_servers_are_not_mistaken_for_mariadb() {
        assert_eq!(
            version("mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server)"),
            None
        );
        assert_eq!(version(""), None);
    }

    #[test]
    fn only_the_verified_series_is_supported() {
        let at = |patch| Version {
            major: 10,
            minor: 11,
            patch,
        };
        assert!(!at(8).is_supported());
        assert!(at(9).is_supported());
        assert!(
            !Version {
                major: 11,
                minor: 4,
                patch: 9
            }
            .is_supported()
        );
    }
}
