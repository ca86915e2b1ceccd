//! Texts through the classifier to the side that they go to.

use super::*;
use crate::mysql::session::needs::node_hash;
use crate::mysql::sql::classify::classify;
use crate::mysql::sql::lex::Dialect;

/// What a session is like in which nothing has happened.
fn rested(pins: &Pins) -> Standing<'_> {
    Standing {
        writing: false,
        reading: false,
        autocommit: true,
        announced: false,
        pins,
        last: Side::Primary,
    }
}

fn decided(text: &str, standing: &Standing<'_>) -> Decision {
    let verdict = classify(text.as_bytes(), Dialect::default());
    decide(&Needs::of(text.as_bytes(), &verdict), standing)
}

fn side(text: &str, standing: &Standing<'_>) -> Side {
    decided(text, standing).side
}

const READS: [&str; 4] = [
    "SELECT * FROM t",
    "SELECT COUNT(*) FROM t JOIN u USING (id)",
    "WITH x AS (SELECT 1) SELECT * FROM x",
    "SHOW TABLES",
];

#[test]
fn a_session_at_rest_reads_from_replicas_and_writes_to_the_primary() {
    let pins = Pins::default();
    for text in READS {
        assert_eq!(side(text, &rested(&pins)), Side::Replica, "{text}");
    }
    for text in [
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t SELECT * FROM u",
        "DELETE FROM t RETURNING *",
        "CREATE TABLE t (a INT)",
        "BEGIN",
        "START TRANSACTION READ WRITE",
        "SET @x=1",
        "CALL p()",
        "not SQL at all",
    ] {
        assert_eq!(side(text, &rested(&pins)), Side::Primary, "{text}");
    }
}

#[test]
fn without_autocommit_everything_goes_to_the_primary() {
    let pins = Pins::default();
    let standing = Standing {
        autocommit: false,
        ..rested(&pins)
    };
    for text in READS {
        assert_eq!(side(text, &standing), Side::Primary, "{text}");
    }
    let hinted = decided("/* quorate route to replica */ SELECT 1", &standing);
    assert_eq!((hinted.side, hinted.why), (Side::Primary, "autocommit is off"));
}

#[test]
fn a_read_only_transaction_stays_on_one_replica_with_all_that_is_in_it() {
    let pins = Pins::default();
    for begin in [
        "START TRANSACTION READ ONLY",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        "/* quorate route to replica */ START TRANSACTION READ ONLY",
    ] {
        assert_eq!(side(begin, &rested(&pins)), Side::Replica, "{begin}");
    }
    let primary = "/* quorate route to primary */ START TRANSACTION READ ONLY";
    assert_eq!(side(primary, &rested(&pins)), Side::Primary);
    let inside = Standing {
        reading: true,
        ..rested(&pins)
    };
    // The server refuses the write, in its own words.
    for text in [
        "SELECT 1",
        "INSERT INTO t VALUES (1)",
        "COMMIT",
        "/* quorate route to primary */ SELECT 1",
    ] {
        assert_eq!(side(text, &inside), Side::Replica, "{text}");
    }
    // None of its business, or its end.
    for text in [
        "SET GLOBAL max_connections = 5",
        "SET PASSWORD = ''",
        "FLUSH STATUS",
        "CREATE TABLE t (a INT)",
        "GRANT SELECT ON t TO u",
        "BEGIN",
    ] {
        assert_eq!(side(text, &inside), Side::Primary, "{text}");
    }
    for text in ["DROP TEMPORARY TABLE t", "CALL p()", "SET @a = 1", "SELECT 1; SELECT 2"] {
        assert_eq!(side(text, &inside), Side::Replica, "{text}");
    }
}

#[test]
fn what_set_transaction_announced_happens_where_it_was_said() {
    let pins = Pins::default();
    let announced = Standing {
        announced: true,
        ..rested(&pins)
    };
    for text in [
        "SELECT 1",
        "START TRANSACTION READ ONLY",
        "/* quorate route to replica */ SELECT 1",
    ] {
        assert_eq!(side(text, &announced), Side::Primary, "{text}");
    }
}

#[test]
fn a_pin_holds_all_of_a_read_only_transaction() {
    let mut pins = Pins::default();
    pins.set(Pin::UserVariable, "");
    for begin in [
        "START TRANSACTION READ ONLY",
        "/* quorate route to replica */ START TRANSACTION READ ONLY",
        "/* quorate route to node db2 */ START TRANSACTION READ ONLY",
    ] {
        assert_eq!(side(begin, &rested(&pins)), Side::Primary, "{begin}");
    }
}

#[test]
fn a_transaction_that_writes_stays_on_the_primary() {
    let pins = Pins::default();
    let inside = Standing {
        writing: true,
        last: Side::Replica,
        ..rested(&pins)
    };
    for text in [
        "SELECT 1",
        "SHOW WARNINGS",
        "/* quorate route to replica */ SELECT 1",
        "COMMIT",
    ] {
        assert_eq!(side(text, &inside), Side::Primary, "{text}");
    }
}

#[test]
fn reads_that_may_write_or_lock_go_to_the_primary() {
    let pins = Pins::default();
    for text in [
        "SELECT writes(1)",
        "SELECT a FROM t WHERE b = db.writes(1)",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t LOCK IN SHARE MODE",
        "SELECT * FROM t INTO OUTFILE '/tmp/x'",
        "SELECT 1 INTO @v",
        "SELECT @v := 1",
        "SELECT NEXTVAL(s)",
        "SELECT NEXT VALUE FOR s",
        "SELECT GET_LOCK('a', 1)",
        "SELECT LAST_INSERT_ID()",
    ] {
        assert_eq!(side(text, &rested(&pins)), Side::Primary, "{text}");
    }
    for text in ["SELECT writes(1)", "SELECT NEXTVAL(s)", "UPDATE t SET a=1"] {
        let hinted = decided(&format!("/* quorate route to node db2 */ {text}"), &rested(&pins));
        let expected = (Side::Primary, None, "a hint cannot send a write to a replica");
        assert_eq!((hinted.side, hinted.node, hinted.why), expected, "{text}");
    }
}

#[test]
fn hints_say_where() {
    let pins = Pins::default();
    let last = Standing {
        last: Side::Replica,
        ..rested(&pins)
    };
    for (text, expected) in [
        ("/* quorate route to primary */ SELECT 1", Side::Primary),
        ("-- maxscale route to slave\nSELECT 1", Side::Replica),
        ("/* quorate route to last */ SELECT 1", Side::Replica),
        ("SHOW WARNINGS", Side::Replica),
    ] {
        assert_eq!(side(text, &last), expected, "{text}");
    }
    assert_eq!(side("SHOW WARNINGS", &rested(&pins)), Side::Primary);
    let named = decided("/* quorate route to node db2 */ SELECT 1", &rested(&pins));
    assert_eq!((named.side, named.node), (Side::Replica, Some(node_hash(b"db2"))));
}

#[test]
fn pins_hold_what_depends_on_them() {
    for (pin, text, expected) in [
        (Pin::LockedTables, "SELECT 1", Side::Primary),
        (Pin::Settings, "SELECT 1", Side::Primary),
        (Pin::UserLock, "SELECT 1", Side::Replica),
        (Pin::UserVariable, "SELECT 1", Side::Replica),
        (Pin::UserVariable, "SELECT @x", Side::Primary),
        (Pin::TemporaryTable, "SELECT 1", Side::Replica),
    ] {
        let mut pins = Pins::default();
        pins.set(pin, "");
        let decision = decided(text, &rested(&pins));
        assert_eq!(decision.side, expected, "{pin}: {text}");
        if expected == Side::Primary {
            assert_eq!(decision.why, pin.name());
        }
    }
}
