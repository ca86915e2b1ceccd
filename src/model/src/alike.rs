//! Server settings that must be the same on every node, and what goes wrong where they are not.
//!
//! Replication carries rows and statements of definition, and none of these. As long as the primary lives nobody notices.

use std::collections::BTreeMap;

use crate::finding::{Finding, Severity};
use crate::id::NodeId;

/// One such setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alike {
    /// The system variable.
    pub variable: &'static str,
    /// How bad it is if nodes differ.
    pub severity: Severity,
    /// Whether it can be changed while the server runs.
    pub settable: bool,
    /// What is no longer true then.
    pub lost: &'static str,
}

const fn alike(variable: &'static str, severity: Severity, lost: &'static str) -> Alike {
    Alike {
        variable,
        severity,
        settable: true,
        lost,
    }
}

/// All of them. The first ones stop replication or make nodes differ, the others show only after a failover.
pub const ALIKE: &[Alike] = &[
    alike(
        "log_bin_trust_function_creators",
        Severity::Warning,
        "availability: where it is OFF, replication stops with error 1418 at a function that the primary accepted with ON",
    ),
    alike(
        "default_storage_engine",
        Severity::Warning,
        "equal nodes: a table that is created without ENGINE= has another engine on some nodes, perhaps one without transactions",
    ),
    Alike {
        settable: false,
        ..alike(
            "lower_case_table_names",
            Severity::Warning,
            "availability: replication stops at a table that some nodes know by another name",
        )
    },
    alike(
        "max_allowed_packet",
        Severity::Notice,
        "an invisible failover: long statements and rows that one primary takes are refused by the next",
    ),
    alike(
        "sql_mode",
        Severity::Notice,
        "an invisible failover: the next primary reads statements and values in another way",
    ),
    alike(
        "collation_server",
        Severity::Notice,
        "an invisible failover: databases that are created afterwards have another character set or order",
    ),
    alike(
        "time_zone",
        Severity::Notice,
        "an invisible failover: the next primary tells another time, and a read on a replica may, too",
    ),
];

/// Where nodes differ. Each node has what was read of it by name, or nothing yet.
#[must_use]
pub fn differing<'a>(nodes: &[(&'a NodeId, &'a BTreeMap<String, String>)]) -> Vec<Finding> {
    ALIKE
        .iter()
        .filter_map(|alike| {
            let mut by_value: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (node, values) in nodes {
                if let Some(value) = values.get(alike.variable) {
                    by_value.entry(value).or_default().push(node.as_str());
                }
            }
            (by_value.len() > 1).then(|| finding(alike, &by_value))
        })
        .collect()
}

fn finding(alike: &Alike, by_value: &BTreeMap<&str, Vec<&str>>) -> Finding {
    let variable = alike.variable;
    let values: Vec<_> = by_value
        .iter()
        .map(|(value, nodes)| format!("`{value}` on {}", nodes.join(" and ")))
        .collect();
    let how = if alike.settable {
        format!("SET GLOBAL {variable} on each server, as `admin`, and")
    } else {
        "only".to_owned()
    };
    Finding {
        code: format!("differs.{variable}"),
        severity: alike.severity,
        problem: format!("{variable} is {}", values.join(", ")),
        lost_guarantee: alike.lost.to_owned(),
        remedy: format!(
            "give it one value everywhere: {how} in the included configuration file, which a restart reads"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn found(nodes: &[BTreeMap<String, String>]) -> Vec<Finding> {
        let ids: Vec<NodeId> = (1..=nodes.len()).map(|nth| NodeId::new(format!("m{nth}"))).collect();
        let nodes: Vec<_> = ids.iter().zip(nodes).collect();
        differing(&nodes)
    }

    #[test]
    fn a_function_that_only_the_primary_trusts_would_stop_the_replicas() {
        let trusts = values(&[("log_bin_trust_function_creators", "ON"), ("time_zone", "SYSTEM")]);
        let distrusts = values(&[("log_bin_trust_function_creators", "OFF"), ("time_zone", "SYSTEM")]);
        let found = found(&[trusts, distrusts.clone(), distrusts]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].code, "differs.log_bin_trust_function_creators");
        assert_eq!(found[0].severity, Severity::Warning);
        assert!(
            found[0].problem.ends_with("is `OFF` on m2 and m3, `ON` on m1"),
            "{found:#?}"
        );
        assert!(found[0].lost_guarantee.contains("1418"), "{found:#?}");
        assert!(found[0].remedy.contains("SET GLOBAL log_bin_trust_function_creators"));
    }

    #[test]
    fn what_is_alike_or_not_known_yet_is_not_found() {
        let known = values(&[("sql_mode", "ANSI"), ("lower_case_table_names", "0")]);
        assert!(found(&[known.clone(), known.clone(), BTreeMap::new()]).is_empty());
        assert!(found(&[]).is_empty());
        let other = values(&[("sql_mode", ""), ("lower_case_table_names", "1")]);
        let found = found(&[known, other]);
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(!found[0].remedy.contains("SET GLOBAL"), "it cannot be set: {found:#?}");
    }
}
