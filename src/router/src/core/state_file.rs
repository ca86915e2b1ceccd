//! The last route table on disk: what a router serves from while no supervisor can be reached.
//!
//! Two lines: a header with the checksum of the second, and the table as JSON. It is replaced as a whole, and durable
//! before it counts, because a confirmation is given on it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use quorate_model::{ClusterId, RouteTable};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Version of the file; another one is set aside like a damaged file.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    quorate_routes: u32,
    crc32: u32,
}

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// Opens the file and reads what an earlier run left. A damaged file is set aside under a name with `.damaged`
    /// and the router starts without memory, since every table comes from the supervisors anyway.
    pub(crate) fn open(path: &Path, cluster: &ClusterId) -> Result<(Self, Option<RouteTable>), Error> {
        let this = Self { path: path.to_owned() };
        let failed = |source| Error::StateFile {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Found out now rather than at the first table.
                this.write_draft(b"").map_err(failed)?;
                return Ok((this, None));
            }
            Err(error) => return Err(failed(error)),
        };
        match decode(&bytes) {
            Ok(table) if table.cluster == *cluster => Ok((this, Some(table))),
            Ok(table) => Err(Error::ForeignStateFile {
                path: path.to_owned(),
                found: table.cluster,
                expected: cluster.clone(),
            }),
            Err(why) => {
                let aside = beside(path, ".damaged");
                fs::rename(path, &aside).map_err(failed)?;
                tracing::warn!(file = %path.display(), kept_as = %aside.display(), why,
                    "route table on disk is damaged; starting without one");
                Ok((this, None))
            }
        }
    }

    /// Replaces the table. It survives a power loss when this returns.
    pub(crate) fn replace(&self, table: &RouteTable) -> io::Result<()> {
        let draft = self.write_draft(&encode(table)?)?;
        fs::rename(&draft, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
    }

    fn write_draft(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let draft = beside(&self.path, ".draft");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        Ok(draft)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn encode(table: &RouteTable) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(table)?;
    let header = Header {
        quorate_routes: VERSION,
        crc32: crc32fast::hash(&body),
    };
    let mut bytes = serde_json::to_vec(&header)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&body);
    bytes.push(b'\n');
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<RouteTable, String> {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let (Some(header), Some(body)) = (lines.next(), lines.next()) else {
        return Err("it is cut short".to_owned());
    };
    let header: Header = serde_json::from_slice(header).map_err(|error| format!("its header: {error}"))?;
    if header.quorate_routes != VERSION {
        return Err(format!("it has version {}, not {VERSION}", header.quorate_routes));
    }
    if crc32fast::hash(body) != header.crc32 {
        return Err("its checksum is wrong".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| format!("its table: {error}"))
}

#[cfg(test)]
mod tests {
    use quorate_model::Epoch;

    use super::*;

    fn table() -> RouteTable {
        RouteTable {
            cluster: "lab".into(),
            epoch: Epoch(3),
            index: 7,
            revision: 1,
            writable: None,
            elected: None,
            readable: Vec::new(),
        }
    }

    #[test]
    fn a_table_comes_back_and_a_foreign_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/r1.routes");
        let (file, none) = StateFile::open(&path, &"lab".into()).unwrap();
        assert_eq!(none, None);
        file.replace(&table()).unwrap();
        assert_eq!(StateFile::open(&path, &"lab".into()).unwrap().1, Some(table()));
        let foreign = StateFile::open(&path, &"other".into()).unwrap_err().to_string();
        assert!(foreign.contains("`lab`") && foreign.contains("`other`"), "{foreign}");
    }

    #[test]
    fn damage_anywhere_is_noticed_and_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r1.routes");
        let whole = encode(&table()).unwrap();
        for at in 0..whole.len() - 1 {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            assert!(decode(&bytes).is_err(), "byte {at}");
            assert!(decode(&whole[..at]).is_err(), "cut at {at}");
        }
        fs::write(&path, &whole[..20]).unwrap();
        assert_eq!(StateFile::open(&path, &"lab".into()).unwrap().1, None);
        assert!(dir.path().join("r1.routes.damaged").exists() && !path.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_found_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = StateFile::open(&dir.path().join("file/r1.routes"), &"lab".into()).unwrap_err();
        assert!(error.to_string().contains("state_file"), "{error}");
    }
}
