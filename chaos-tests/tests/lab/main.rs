//! The promise on real servers: a lab of three supervisors, three `mariadbd` and a router, driven through the binary.
//!
//! Nothing here asserts a time; the figures are `make bench`'s. Labs run one after the other: two cores are not for two.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod epochs;
mod faults;
mod supervisors;
mod upgrade;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_chaos::lab::{Lab, binary};
use quorate_chaos::workloads::SetWorkload;

/// Longest wait for the tier to be whole again; far above what it takes, since machines are shared.
const RECOVERY: Duration = Duration::from_secs(90);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A lab, and the right to be the only one.
struct Alone {
    lab: Lab,
    _turn: MutexGuard<'static, ()>,
}

impl Alone {
    fn up(arguments: &[&str]) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = Lab::up_with(&binary().unwrap(), arguments).unwrap();
        lab.wait_healthy(RECOVERY).unwrap();
        Self { lab, _turn: turn }
    }

    fn options(&self) -> mysql_async::Opts {
        let info = self.lab.info().unwrap();
        SetWorkload::options(&info, &info.routers[0].rw).unwrap()
    }

    fn primary(&self) -> String {
        self.lab.status().unwrap().primary.unwrap()
    }
}
