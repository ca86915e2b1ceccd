//! One table for people and one JSON file for machines.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What a figure's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// MiB.
    #[serde(rename = "MiB")]
    Mebibytes,
    /// KiB.
    #[serde(rename = "KiB")]
    Kibibytes,
    /// MiB in a second.
    #[serde(rename = "MiB/s")]
    MebibytesPerSecond,
    /// One figure divided by another.
    #[serde(rename = "ratio")]
    Ratio,
    /// Percent of one core.
    #[serde(rename = "% of a core")]
    PercentOfCore,
    /// A plain count.
    #[serde(rename = "count")]
    Count,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Mebibytes => "MiB",
            Self::Kibibytes => "KiB",
            Self::MebibytesPerSecond => "MiB/s",
            Self::Ratio => "ratio",
            Self::PercentOfCore => "% core",
            Self::Count => "",
        })
    }
}

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Unit of the numbers.
    pub unit: Unit,
    /// How many samples.
    pub n: usize,
    /// Smallest.
    pub min: f64,
    /// Median.
    pub p50: f64,
    /// 99th percentile (nearest rank: the largest of fewer than 100 samples).
    pub p99: f64,
    /// Largest.
    pub max: f64,
    /// Targets: the statistic that they bind, and the most it may be.
    pub targets: Vec<(&'static str, f64)>,
    /// Targets: the statistic that they bind, and the least it may be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub floors: Vec<(&'static str, f64)>,
}

impl Figure {
    /// Summarises samples; none if there are none.
    #[must_use]
    pub fn of(name: &str, unit: Unit, mut samples: Vec<f64>, targets: &[(&'static str, f64)]) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        Some(Self {
            name: name.to_owned(),
            unit,
            n: samples.len(),
            min: *samples.first()?,
            p50: rank(&samples, 50)?,
            p99: rank(&samples, 99)?,
            max: *samples.last()?,
            targets: targets.to_vec(),
            floors: Vec::new(),
        })
    }

    /// With a target from below.
    #[must_use]
    pub fn at_least(mut self, statistic: &'static str, least: f64) -> Self {
        self.floors.push((statistic, least));
        self
    }

    /// Summarises durations in milliseconds.
    #[must_use]
    pub fn of_gaps(name: &str, gaps: &[Duration], targets: &[(&'static str, f64)]) -> Option<Self> {
        let samples = gaps.iter().map(|gap| gap.as_secs_f64() * 1000.0).collect();
        Self::of(name, Unit::Milliseconds, samples, targets)
    }

    fn value(&self, statistic: &str) -> f64 {
        match statistic {
            "min" => self.min,
            "p50" => self.p50,
            "p99" => self.p99,
            _ => self.max,
        }
    }

    /// Whether every target holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        let below = |(statistic, most): &(&str, f64)| self.value(statistic) <= *most;
        let above = |(statistic, least): &(&str, f64)| self.value(statistic) >= *least;
        self.targets.iter().all(below) && self.floors.iter().all(above)
    }

    /// Targets and verdict, for people.
    fn verdict(&self) -> String {
        let most = self
            .targets
            .iter()
            .map(|(statistic, most)| format!("{statistic} ≤ {most}"));
        let least = self
            .floors
            .iter()
            .map(|(statistic, least)| format!("{statistic} ≥ {least}"));
        let all: Vec<String> = most.chain(least).collect();
        match (all.is_empty(), self.holds()) {
            (true, _) => String::new(),
            (false, true) => format!("{}: met", all.join(", ")),
            (false, false) => format!("{}: MISSED", all.join(", ")),
        }
    }
}

fn rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// All figures of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The commit that was measured, with `-dirty` if the tree was changed.
    pub commit: String,
    /// Cores of the machine.
    pub cores: usize,
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Report {
    /// An empty report about the checkout in the present folder.
    #[must_use]
    pub fn new() -> Self {
        Self {
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            figures: Vec::new(),
        }
    }

    /// Whether every figure meets its targets.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.figures.iter().all(Figure::holds)
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_json(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_vec_pretty(self)?).with_context(|| format!("writing {}", path.display()))
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "commit {}, {} cores", self.commit, self.cores)?;
        writeln!(
            f,
            "{:<52} {:>4} {:>9} {:>9} {:>9} {:>9}  {:<6} target",
            "figure", "n", "min", "p50", "p99", "max", "unit"
        )?;
        for figure in &self.figures {
            let digits = if figure.unit == Unit::Ratio { 3 } else { 1 };
            writeln!(
                f,
                "{:<52} {:>4} {:>9.digits$} {:>9.digits$} {:>9.digits$} {:>9.digits$}  {:<6} {}",
                figure.name,
                figure.n,
                figure.min,
                figure.p50,
                figure.p99,
                figure.max,
                figure.unit,
                figure.verdict()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks_and_targets_bind() {
        let samples = (1..=30).map(f64::from).collect();
        let figure = Figure::of("x", Unit::Count, samples, &[("p50", 15.0), ("p99", 29.0)]).unwrap();
        assert_eq!((figure.p50, figure.p99, figure.max), (15.0, 30.0, 30.0));
        assert!(!figure.holds(), "p99 is 30 and the target 29");
        assert!(figure.verdict().ends_with("MISSED"));
        let rate = Figure::of("y", Unit::Ratio, vec![0.95], &[]).unwrap();
        assert!(rate.clone().at_least("p50", 0.9).holds() && !rate.at_least("p50", 1.0).holds());
        assert!(Figure::of("x", Unit::Count, vec![], &[]).is_none());
    }
}
