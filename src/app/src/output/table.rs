//! Tables for people.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

use super::Console;

/// What a cell's colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    Plain,
    /// The important one.
    Strong,
    /// Good.
    Good,
    /// In between.
    Middling,
    /// Bad.
    Bad,
}

/// A table with a header; `rows` are cells with their tone.
pub(crate) fn table(console: Console, header: &[&str], rows: Vec<Vec<(String, Tone)>>) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if !console.color {
        table.force_no_tty();
    } else {
        table.enforce_styling();
    }
    table.set_header(
        header
            .iter()
            .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
    );
    for row in rows {
        table.add_row(row.into_iter().map(|(text, tone)| cell(text, tone)));
    }
    table
}

fn cell(text: String, tone: Tone) -> Cell {
    let cell = Cell::new(text);
    match tone {
        Tone::Plain => cell,
        Tone::Strong => cell.add_attribute(Attribute::Bold),
        Tone::Good => cell.fg(Color::Green),
        Tone::Middling => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
    }
}
