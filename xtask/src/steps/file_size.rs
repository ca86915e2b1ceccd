//! A file that is read in one sitting.

use crate::context::Context;
use crate::outcome::Outcome;
use crate::source;

const HARD_LIMIT: usize = 800;
const USUAL_LIMIT: usize = 400;
const LARGE_SHARE_PERCENT: usize = 10;

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let sizes: Vec<(String, usize)> = source::rust_files(context.root())?
        .iter()
        .map(|file| (file.path.display().to_string(), file.text.lines().count()))
        .collect();
    Ok(Outcome::from_findings(judge(&sizes), note(&sizes)))
}

fn judge(sizes: &[(String, usize)]) -> Vec<String> {
    let mut findings: Vec<String> = sizes
        .iter()
        .filter(|(_, lines)| *lines > HARD_LIMIT)
        .map(|(path, lines)| format!("{path}: {lines} lines, the limit is {HARD_LIMIT}; split it by what it says"))
        .collect();
    let large: Vec<_> = sizes.iter().filter(|(_, lines)| *lines > USUAL_LIMIT).collect();
    if large.len() * 100 > sizes.len() * LARGE_SHARE_PERCENT {
        findings.push(format!(
            "{} of {} files are over {USUAL_LIMIT} lines, at most {LARGE_SHARE_PERCENT} % may be:",
            large.len(),
            sizes.len()
        ));
        findings.extend(large.iter().map(|(path, lines)| format!("  {path}: {lines}")));
    }
    findings
}

fn note(sizes: &[(String, usize)]) -> String {
    let mut lines: Vec<usize> = sizes.iter().map(|(_, lines)| *lines).collect();
    lines.sort_unstable();
    let Some(last) = lines.len().checked_sub(1) else {
        return "no files".to_owned();
    };
    format!(
        "{} files, median {}, 90 % {}, max {}",
        lines.len(),
        lines[last / 2],
        lines[last * 9 / 10],
        lines[last]
    )
}

#[cfg(test)]
mod unit {
    use super::*;

    fn files(lines: &[usize]) -> Vec<(String, usize)> {
        lines
            .iter()
            .enumerate()
            .map(|(at, lines)| (format!("f{at}.rs"), *lines))
            .collect()
    }

    #[test]
    fn the_limits_are_inclusive() {
        let mut sizes = files(&[100; 20]);
        sizes.push(("edge.rs".to_owned(), HARD_LIMIT));
        assert_eq!(judge(&sizes), Vec::<String>::new());
        sizes.push(("over.rs".to_owned(), HARD_LIMIT + 1));
        assert_eq!(judge(&sizes).len(), 1);
    }

    #[test]
    fn more_than_a_tenth_of_large_files_is_too_many() {
        let tenth = files(&[USUAL_LIMIT + 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert!(judge(&tenth).is_empty());
        let ninth = files(&[USUAL_LIMIT + 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(judge(&ninth).len(), 2);
    }

    #[test]
    fn the_note_has_the_percentiles() {
        assert_eq!(note(&files(&[5, 1, 3])), "3 files, median 3, 90 % 3, max 5");
        assert_eq!(note(&[]), "no files");
    }
}
