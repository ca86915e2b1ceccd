//! Prepared statements with everything that the binary protocol has.

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::wire::{Arg, Reply, Session, caps, command};

use crate::Case;
use crate::world::{World, brief, difference};

pub(super) const CASES: &[Case] = &[
    ("s61_ten_thousand_statements_are_open", s61_many),
    ("s61_prepared_texts_are_bounded_together", s61_bounded),
    ("s61_long_data_types_and_nulls", s61_arguments),
    ("s61_cursors_hand_out_their_rows", s61_cursors),
    ("s61_bulk_execution_and_metadata_left_out", s61_bulk),
    (
        "s61_columns_that_changed_are_told_by_whichever_server_answers",
        s61_changed_columns,
    ),
];

/// Open statements; servers allow 16,382 in all.
const OPEN: i64 = 10_000;

fn s61_many(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s61 (id INT PRIMARY KEY, v INT)",
        "INSERT INTO s61 VALUES (1, 1)",
    ])?;
    let mut session = world.session()?;
    let ids = (0..OPEN)
        .map(|nth| Ok(session.prepare(&format!("SELECT v + ? + {nth} FROM s61"))?.id))
        .collect::<Result<Vec<_>>>()?;
    for (nth, id) in ids.iter().enumerate().rev() {
        let reply = session.execute(*id, &[Arg::Int(10)])?;
        ensure!(
            reply.sets[0].rows[0][0] == Some((nth + 11).to_string()),
            "{id}: {}",
            brief(&reply)
        );
    }
    for id in &ids {
        session.close(*id)?;
    }
    let gone = session.execute_with(ids[0], &[Arg::Int(1)], false, true)?;
    ensure!(gone.error().is_some_and(|error| error.code == 1243), "{}", brief(&gone));
    ensure!(session.value("SELECT 1")? == "1");
    Ok(())
}

fn s61_bounded(world: &World) -> Result<()> {
    let mut session = world.session()?;
    let text = format!("SELECT 1 /* {} */", "x".repeat(1_000_000));
    let ids = (0..16)
        .map(|_| Ok(session.prepare(&text)?.id))
        .collect::<Result<Vec<_>>>()?;
    let reply = session.ask(command::PREPARE, text.as_bytes())?;
    let error = reply.error().context("a seventeenth was kept")?;
    ensure!(error.code == 1461 && error.text.contains("bytes together"), "{error}");
    session.close(ids[3])?;
    let again = session.prepare(&text)?.id;
    ensure!(session.execute(again, &[])?.sets[0].rows[0][0].as_deref() == Some("1"));
    Ok(())
}

/// Does the same directly and through the router, under several agreements; every packet must be the same.
fn both(world: &World, make: &[&str], work: impl Fn(&mut Session) -> Result<Vec<Reply>>) -> Result<()> {
    for capabilities in [
        0,
        caps::DEPRECATE_EOF,
        caps::DEPRECATE_EOF | caps::BULK | caps::CACHE_METADATA,
        caps::BULK | caps::CACHE_METADATA | caps::EXTENDED_METADATA,
    ] {
        let mut replies = Vec::new();
        for mut login in [world.around()?, world.through()?] {
            world.make(make)?;
            login.caps = capabilities;
            replies.push(
                work(&mut Session::open(&login)?)
                    .with_context(|| format!("under {capabilities:#x} at {}", login.address))?,
            );
        }
        let through = replies.pop().unwrap_or_default();
        let around = replies.pop().unwrap_or_default();
        ensure!(around.len() == through.len());
        for (nth, (around, through)) in around.iter().zip(&through).enumerate() {
            ensure!(
                anonymous(around) == anonymous(through),
                "reply {nth} under {capabilities:#x}{}",
                difference(around, through)
            );
        }
    }
    Ok(())
}

/// The packets of a reply, without the statement's number in brackets in an error: servers number statements over all connections,
/// and the router over those of a session.
fn anonymous(reply: &Reply) -> Vec<Vec<u8>> {
    let mut packets = reply.comparable();
    for packet in packets.iter_mut().filter(|packet| packet.first() == Some(&0xff)) {
        let bracket = |byte| packet.iter().position(|there| *there == byte);
        if let (Some(open), Some(close)) = (bracket(b'('), bracket(b')')) {
            packet.drain(open..close);
        }
    }
    packets
}

/// Prepares; the reply without the id in it.
fn prepare(session: &mut Session, sql: &str, replies: &mut Vec<Reply>) -> Result<u32> {
    let mut prepared = session.prepare(sql)?;
    prepared.packets[0][1..5].fill(0);
    replies.push(Reply {
        packets: prepared.packets,
        sets: Vec::new(),
        column_ends: Vec::new(),
    });
    Ok(prepared.id)
}

fn s61_arguments(world: &World) -> Result<()> {
    let make = ["CREATE OR REPLACE TABLE s61a (id INT PRIMARY KEY, a BIGINT, d DOUBLE, s VARCHAR(200), b LONGBLOB)"];
    both(world, &make, |session| {
        let mut replies = Vec::new();
        let insert = prepare(session, "INSERT INTO s61a VALUES (?, ?, ?, ?, ?)", &mut replies)?;
        let rows = [
            vec![
                Arg::Int(1),
                Arg::Int(-5),
                Arg::Double(0.1),
                Arg::from("zwölf"),
                Arg::Null,
            ],
            vec![
                Arg::Int(2),
                Arg::Null,
                Arg::Null,
                Arg::Null,
                Arg::Bytes(vec![0, 255, 7]),
            ],
        ];
        for row in &rows {
            replies.push(session.execute_with(insert, row, false, true)?);
        }
        for chunk in 0..40_u8 {
            session.long_data(insert, 4, &vec![chunk; 60_000])?;
        }
        let long = vec![
            Arg::Int(3),
            Arg::Int(i64::MIN),
            Arg::Double(-1e300),
            Arg::from(""),
            Arg::Long,
        ];
        replies.push(session.execute_with(insert, &long, false, true)?);
        // Now the types are known; they need not be sent again.
        let again = vec![
            Arg::Int(4),
            Arg::Int(4),
            Arg::Double(4.0),
            Arg::from("4"),
            Arg::Bytes(vec![4]),
        ];
        replies.push(session.execute_with(insert, &again, false, false)?);
        replies.push(session.execute_with(insert, &again, false, false)?);
        let select = prepare(
            session,
            "SELECT id, a, d, s, LENGTH(b), MD5(b), b FROM s61a WHERE id > ? ORDER BY id",
            &mut replies,
        )?;
        for id in 0..3 {
            replies.push(session.execute_with(select, &[Arg::Int(id)], false, id == 0)?);
        }
        replies.push(session.ask(command::STMT_RESET, &select.to_le_bytes())?);
        replies.push(session.execute_with(select, &[Arg::Int(3)], false, false)?);
        // The last one that was prepared has a number of its own.
        replies.push(session.execute_with(u32::MAX, &[Arg::Int(2)], false, true)?);
        replies.push(session.execute_with(0x7000_0000, &[], false, true)?);
        Ok(replies)
    })
}

fn s61_cursors(world: &World) -> Result<()> {
    let make = [
        "CREATE OR REPLACE TABLE s61c (id INT PRIMARY KEY, s VARCHAR(20))",
        "INSERT INTO s61c SELECT seq, CONCAT('row ', seq) FROM seq_1_to_100",
    ];
    both(world, &make, |session| {
        let mut replies = Vec::new();
        let select = prepare(session, "SELECT id, s FROM s61c WHERE id > ? ORDER BY id", &mut replies)?;
        let other = prepare(session, "SELECT COUNT(*) FROM s61c", &mut replies)?;
        for from in [0, 90] {
            replies.push(session.execute_with(select, &[Arg::Int(from)], true, true)?);
            for rows in [1, 7, 0, 40] {
                replies.push(session.fetch(select, rows)?);
                // Another statement in between does not disturb it.
                replies.push(session.execute_with(other, &[], false, true)?);
                replies.push(session.query("SELECT 1")?);
                if ended(&replies) {
                    break;
                }
            }
        }
        // A cursor that was left open, and one that is not there.
        replies.push(session.execute_with(select, &[Arg::Int(0)], false, true)?);
        let none = session.fetch(select, 5)?;
        let named = none
            .error()
            .is_some_and(|error| error.text.contains(&format!("({select})")));
        ensure!(named, "not the client's number of the statement: {:?}", none.error());
        replies.push(none);
        Ok(replies)
    })
}

/// Whether the last fetch, two replies before the end, gave the last row.
fn ended(replies: &[Reply]) -> bool {
    const LAST_ROW: u16 = 0x80;
    let fetched = replies.len().checked_sub(3).and_then(|nth| replies.get(nth));
    fetched.is_some_and(|reply| reply.status() & LAST_ROW != 0)
}

fn s61_bulk(world: &World) -> Result<()> {
    let make = ["CREATE OR REPLACE TABLE s61b (id INT PRIMARY KEY AUTO_INCREMENT, a BIGINT, s VARCHAR(100))"];
    both(world, &make, |session| {
        let mut replies = Vec::new();
        let insert = prepare(session, "INSERT INTO s61b (a, s) VALUES (?, ?)", &mut replies)?;
        let rows: Vec<Vec<Arg>> = (0..500)
            .map(|nth| {
                let text = if nth % 7 == 0 {
                    Arg::Null
                } else {
                    Arg::Bytes(vec![b'x'; 1 + nth % 90])
                };
                vec![Arg::Int(nth as i64), text]
            })
            .skip(1)
            .collect();
        if session.caps & caps::BULK != 0 {
            replies.push(session.bulk(insert, &rows)?);
        } else {
            for row in &rows[..20] {
                replies.push(session.execute_with(insert, row, false, true)?);
            }
        }
        replies.push(session.query("SELECT COUNT(*), SUM(a), MD5(GROUP_CONCAT(s ORDER BY id)) FROM s61b")?);
        let select = prepare(
            session,
            "SELECT id, a, s FROM s61b WHERE id < ? ORDER BY id",
            &mut replies,
        )?;
        for limit in [3, 3, 5] {
            replies.push(session.execute_with(select, &[Arg::Int(limit)], false, true)?);
        }
        session.run("ALTER TABLE s61b MODIFY s VARCHAR(200)")?;
        for limit in [3, 3] {
            replies.push(session.execute_with(select, &[Arg::Int(limit)], false, true)?);
        }
        Ok(replies)
    })
}

/// A server tells the columns of a prepared statement again only when they have changed since it told them; but the client may have
/// heard of them from another one since.
fn s61_changed_columns(world: &World) -> Result<()> {
    let text = |session: &mut Session, id: u32, place: &str| -> Result<()> {
        let reply = session.execute(id, &[]).with_context(|| place.to_owned())?;
        let row = &reply.sets[0].rows[0];
        let fresh = session.rows("SELECT * FROM s61c")?;
        ensure!(*row == fresh[0], "{place}: {row:?} and not {:?}", fresh[0]);
        Ok(())
    };
    let mut admin = world.direct()?;
    let mut alter = |sql: &str| -> Result<()> {
        admin.run(sql)?;
        world.applied(&admin.value("SELECT @@gtid_binlog_pos")?)
    };
    for eof in [0, caps::DEPRECATE_EOF] {
        world.make(&[
            "CREATE OR REPLACE TABLE s61c (id INT PRIMARY KEY, v INT)",
            "INSERT INTO s61c VALUES (1, 7)",
        ])?;
        let mut login = world.through()?;
        login.caps = caps::CACHE_METADATA | eof;
        let mut session = Session::open(&login)?;
        ensure!(session.caps & caps::CACHE_METADATA != 0, "not offered");
        let on_replica = session.prepare("SELECT * FROM s61c")?.id;
        text(&mut session, on_replica, "where it was prepared")?;
        session.run("BEGIN")?;
        let on_primary = session.prepare("SELECT * FROM s61c")?.id;
        session.run("COMMIT")?;
        alter("ALTER TABLE s61c MODIFY v VARCHAR(20)")?;
        text(&mut session, on_primary, "prepared anew on a replica")?;
        session.run("BEGIN")?;
        text(&mut session, on_replica, "prepared anew on the primary")?;
        text(&mut session, on_replica, "there again")?;
        session.run("COMMIT")?;
        // Back again: each server has told what the other one has not.
        text(&mut session, on_replica, "told by the replica")?;
        alter("ALTER TABLE s61c MODIFY v INT")?;
        text(&mut session, on_replica, "as at first on the replica")?;
        session.run("BEGIN")?;
        text(&mut session, on_replica, "as at first on the primary")?;
        text(&mut session, on_primary, "prepared there, as at first")?;
        session.run("COMMIT")?;
        alter("ALTER TABLE s61c ADD COLUMN w INT DEFAULT 9")?;
        text(&mut session, on_primary, "one more")?;
        session.run("BEGIN")?;
        text(&mut session, on_primary, "one more, on the primary")?;
        session.run("COMMIT")?;
    }
    Ok(())
}
