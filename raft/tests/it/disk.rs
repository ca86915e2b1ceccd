//! A file layer that loses what was not synced, and fails when told to.

use std::io;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use redb::StorageBackend;

/// A disk whose content outlives the database over it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// What a crash leaves for sure.
    durable: Vec<u8>,
    /// What the running process sees.
    current: Vec<u8>,
    /// Writes since the last sync.
    pending: Vec<(u64, Vec<u8>)>,
    /// Calls until the disk dies.
    fuse: Option<u64>,
    /// A sync that does nothing.
    lies: bool,
}

impl Disk {
    /// A disk that holds `image`.
    pub(crate) fn of(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            current: image.clone(),
            durable: image,
            ..Inner::default()
        })))
    }

    /// From now on, a sync returns at once and does nothing.
    pub(crate) fn lie(&self) {
        self.0.lock().unwrap().lies = true;
    }

    /// The disk dies at the `calls`-th write or sync from now.
    pub(crate) fn burn_after(&self, calls: u64) {
        self.0.lock().unwrap().fuse = Some(calls);
    }

    /// What is there after a crash that loses every unsynced write.
    pub(crate) fn dropped(&self) -> Vec<u8> {
        self.0.lock().unwrap().durable.clone()
    }

    /// What is there after a crash in which any of the unsynced writes, or parts of them, reached the platter.
    pub(crate) fn torn(&self, seed: u64) -> Vec<u8> {
        let mut rng = StdRng::seed_from_u64(seed);
        let inner = self.0.lock().unwrap();
        let mut image = inner.durable.clone();
        for (offset, data) in &inner.pending {
            if rng.random_bool(0.5) {
                let kept = if rng.random_bool(0.3) {
                    rng.random_range(0..=data.len())
                } else {
                    data.len()
                };
                put(&mut image, *offset, &data[..kept]);
            }
        }
        image
    }
}

fn put(image: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let start = usize::try_from(offset).unwrap();
    if image.len() < start + data.len() {
        image.resize(start + data.len(), 0);
    }
    image[start..start + data.len()].copy_from_slice(data);
}

impl Inner {
    fn spark(&mut self) -> io::Result<()> {
        match &mut self.fuse {
            Some(0) => Err(io::Error::other("the disk is dead")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().unwrap().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let inner = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        match inner.current.get(start..start + out.len()) {
            Some(found) => {
                out.copy_from_slice(found);
                Ok(())
            }
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let mut inner = self.0.lock().unwrap();
        inner.spark()?;
        // A file system journals its sizes: a new length survives on its own, its new bytes are zero.
        let len = usize::try_from(len).unwrap();
        inner.current.resize(len, 0);
        inner.durable.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut inner = self.0.lock().unwrap();
        inner.spark()?;
        if inner.lies {
            return Ok(());
        }
        let pending = std::mem::take(&mut inner.pending);
        for (offset, data) in pending {
            put(&mut inner.durable, offset, &data);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut inner = self.0.lock().unwrap();
        inner.spark()?;
        put(&mut inner.current, offset, data);
        inner.pending.push((offset, data.to_vec()));
        Ok(())
    }
}
