//! What sysbench can do, in its own words and in ours.

use clap::ValueEnum;

/// What sysbench does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Load {
    /// One row by its key.
    PointSelect,
    /// Fourteen reads between BEGIN and COMMIT.
    ReadOnly,
    /// The same reads, each for itself, as an application sends them that lets reads be spread.
    ReadOnlyAutocommit,
    /// Fourteen reads and four writes between BEGIN and COMMIT.
    ReadWrite,
}

/// How statements are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Mode {
    /// As text.
    Text,
    /// Prepared once, executed often.
    Prepared,
}

impl Load {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::PointSelect,
        Self::ReadOnly,
        Self::ReadOnlyAutocommit,
        Self::ReadWrite,
    ];

    pub(super) const fn script(self) -> &'static str {
        match self {
            Self::PointSelect => "oltp_point_select",
            Self::ReadOnly | Self::ReadOnlyAutocommit => "oltp_read_only",
            Self::ReadWrite => "oltp_read_write",
        }
    }

    pub(super) const fn options(self) -> &'static [&'static str] {
        match self {
            Self::ReadOnlyAutocommit => &["--skip-trx=on"],
            Self::PointSelect | Self::ReadOnly | Self::ReadWrite => &[],
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PointSelect => "point select",
            Self::ReadOnly => "read only",
            Self::ReadOnlyAutocommit => "read only, autocommit",
            Self::ReadWrite => "read write",
        }
    }
}

impl Mode {
    pub(super) const fn ps_mode(self) -> &'static str {
        match self {
            Self::Text => "disable",
            Self::Prepared => "auto",
        }
    }

    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Prepared => ", prepared",
        }
    }
}
