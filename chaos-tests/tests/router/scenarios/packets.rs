//! Packets of every size.

use anyhow::{Result, ensure};
use quorate_chaos::wire::{Arg, PART_MAX, Session, caps};

use crate::Case;
use crate::world::{World, difference};

pub(super) const CASES: &[Case] = &[
    ("s64_packets_of_16_mib_and_a_little_more_or_less", s64_sizes),
    ("s63_local_infile", s63_local_infile),
    ("s63_files_of_awkward_sizes", s63_awkward),
];

/// A statement of exactly `length` bytes with its command byte.
fn statement(length: usize) -> String {
    let frame = "SELECT LENGTH(''), MD5('')".len() + 1;
    let each = (length - frame) / 2;
    let odd = (length - frame) % 2;
    format!(
        "SELECT LENGTH('{}'),{}MD5('{}')",
        "l".repeat(each),
        " ".repeat(1 + odd),
        "m".repeat(each)
    )
}

fn s64_sizes(world: &World) -> Result<()> {
    // A row of one long value: its length takes four bytes, or nine from 16 MiB on.
    let sizes = [(PART_MAX - 1, 4), (PART_MAX, 4), (PART_MAX + 1, 4), (2 * PART_MAX, 9)];
    for (nth, (size, head)) in sizes.into_iter().enumerate() {
        let there = statement(size);
        ensure!(there.len() + 1 == size, "{} is not {size}", there.len() + 1);
        let back = format!("SELECT REPEAT('r', {})", size - head);
        let capabilities = if nth % 2 == 0 { 0 } else { caps::DEPRECATE_EOF };
        world.same(capabilities, &[], &[&there, &back, "SELECT 1"])?;
    }
    prepared_sizes(world)
}

/// The same sizes through the binary protocol.
fn prepared_sizes(world: &World) -> Result<()> {
    let mut replies = Vec::new();
    for login in [world.around()?, world.through()?] {
        let mut session = Session::open(&login)?;
        let id = session.prepare("SELECT MD5(?), LENGTH(?)")?.id;
        let mut all = Vec::new();
        for length in [PART_MAX - 27, PART_MAX] {
            all.push(
                session
                    .execute(id, &[Arg::Bytes(vec![b'p'; length]), Arg::from("x")])?
                    .packets,
            );
        }
        replies.push(all);
    }
    ensure!(replies[0] == replies[1], "prepared statements of 16 MiB differ");
    Ok(())
}

const TABLE: &str = "CREATE OR REPLACE TABLE s63 (a INT PRIMARY KEY, b VARCHAR(200))";
const LOAD: &str = "LOAD DATA LOCAL INFILE 'none' INTO TABLE s63 FIELDS TERMINATED BY ','";

fn file(rows: std::ops::Range<u32>, width: usize) -> Vec<u8> {
    rows.flat_map(|row| format!("{row},{}\n", "w".repeat(width)).into_bytes())
        .collect()
}

fn s63_local_infile(world: &World) -> Result<()> {
    let mut replies = Vec::new();
    for mut login in [world.around()?, world.through()?] {
        world.make(&[TABLE])?;
        login.caps |= caps::LOCAL_FILES;
        let mut session = Session::open(&login)?;
        // Two in one text, one of them of more than one packet; then one of nothing; then one with an error in it.
        session.files = vec![
            file(0..20_000, 150),
            file(20_000..20_010, 1),
            Vec::new(),
            file(0..10, 1),
            file(5..6, 1),
        ];
        let mut all = Vec::new();
        for sql in [
            &format!("{LOAD}; SELECT COUNT(*), SUM(a) FROM s63; {LOAD}; SELECT ROW_COUNT()"),
            LOAD,
            "SELECT COUNT(*), SUM(a) FROM s63",
            "LOAD DATA LOCAL INFILE 'none' INTO TABLE s63",
            "SHOW WARNINGS LIMIT 3",
            "LOAD DATA LOCAL INFILE 'none' INTO TABLE nowhere",
            "SELECT COUNT(*), SUM(a) FROM s63",
        ] {
            all.push(session.query(sql)?);
        }
        replies.push(all);
    }
    for (around, through) in replies[0].iter().zip(&replies[1]) {
        ensure!(around.packets == through.packets, "{}", difference(around, through));
    }
    Ok(())
}

fn s63_awkward(world: &World) -> Result<()> {
    let mut replies = Vec::new();
    for mut login in [world.around()?, world.through()?] {
        login.caps |= caps::LOCAL_FILES;
        for size in [0xfb, 0xff_fffb, PART_MAX] {
            world.make(&[TABLE])?;
            let mut session = Session::open(&login)?;
            // The whole file in one packet of just this size. Servers close on those that they find too large.
            let mut content = file(0..u32::try_from(size)? / 170, 150);
            content.resize(size, b' ');
            session.chunk_bytes = size;
            session.files.push(content);
            let loaded = session.query(LOAD).and_then(|loaded| {
                let counted = session.query("SELECT COUNT(*), SUM(a), SUM(LENGTH(b)) FROM s63")?;
                Ok((loaded.packets, counted.packets))
            });
            replies.push(loaded.map_err(|_| "the server closed the connection"));
        }
    }
    let (around, through) = replies.split_at(replies.len() / 2);
    ensure!(around.iter().filter(|it| it.is_ok()).count() >= 2, "nothing was loaded");
    for (around, through) in around.iter().zip(through) {
        ensure!(around == through, "\n  directly: {around:?}\n  through:  {through:?}");
    }
    Ok(())
}
