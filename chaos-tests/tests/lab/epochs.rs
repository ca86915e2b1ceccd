//! What the supervisors agreed, as `quorate epochs --json` tells it.

use std::collections::BTreeSet;

use quorate_chaos::lab::Lab;

/// One primary and one fencing token an epoch, tokens and epochs growing, and an open one at the end.
pub(super) fn each_has_one_primary(lab: &Lab) {
    let text = lab.must(&["epochs", "--json"]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let epochs = json["epochs"].as_array().unwrap();
    let numbers: Vec<u64> = epochs.iter().map(|epoch| epoch["epoch"].as_u64().unwrap()).collect();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(distinct.len(), numbers.len(), "an epoch is told twice: {numbers:?}");
    let elected: Vec<&serde_json::Value> = epochs.iter().filter(|epoch| !epoch["token"].is_null()).collect();
    assert!(elected.len() > 1, "{text}");
    assert!(elected.iter().all(|epoch| epoch["primary"].is_string()), "{text}");
    let mut tokens: Vec<(u64, u64)> = elected
        .iter()
        .map(|epoch| (epoch["epoch"].as_u64().unwrap(), epoch["token"].as_u64().unwrap()))
        .collect();
    tokens.sort_unstable();
    assert!(
        tokens.windows(2).all(|pair| pair[0].1 < pair[1].1),
        "tokens do not grow: {tokens:?}"
    );
}
