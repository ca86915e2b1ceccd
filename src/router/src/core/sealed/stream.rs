//! The byte stream.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::keys::{Keys, Opened};
use super::{HEAD_BYTES, PLAIN_MAX_BYTES, READ_BYTES, RECORD_MAX_BYTES, broken};

thread_local! {
    /// Holds what one read brought until its records are opened. The front is for the start of a record that came before.
    static SCRATCH: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; HEAD_BYTES + RECORD_MAX_BYTES + READ_BYTES].into_boxed_slice());
}

/// A TLS connection whose handshake is done.
pub(crate) struct Sealed {
    socket: TcpStream,
    keys: Box<Keys>,
    /// The start of a record whose rest has not come.
    partial: Vec<u8>,
    /// Opened, but the reader had no room.
    plain: Vec<u8>,
    taken: usize,
    /// Sealed, but the socket had no room.
    outgoing: Vec<u8>,
    sent: usize,
    read_closed: bool,
    write_closed: bool,
}

impl Sealed {
    /// `incoming` is what came with the end of the handshake: tickets, perhaps more.
    pub(super) fn new(socket: TcpStream, keys: Keys, mut incoming: Vec<u8>) -> io::Result<Self> {
        let mut stream = Self {
            socket,
            keys: Box::new(keys),
            partial: Vec::new(),
            plain: Vec::new(),
            taken: 0,
            outgoing: Vec::new(),
            sent: 0,
            read_closed: false,
            write_closed: false,
        };
        stream.open(&mut incoming, &mut ReadBuf::new(&mut []))?;
        Ok(stream)
    }

    /// The socket below, to ask it questions. What is read from it is lost to this stream.
    pub(crate) const fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether something is there that no read of the socket would show.
    pub(crate) fn has_unread(&self) -> bool {
        !self.plain.is_empty() || !self.partial.is_empty()
    }

    #[cfg(test)]
    pub(super) const fn keys(&mut self) -> &mut Keys {
        &mut self.keys
    }

    /// Gives the reader what was opened earlier; false if there is nothing.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let waiting = self.plain.get(self.taken..).unwrap_or_default();
        if waiting.is_empty() {
            return false;
        }
        let (now, later) = waiting.split_at(waiting.len().min(buf.remaining()));
        buf.put_slice(now);
        if later.is_empty() {
            self.plain = Vec::new();
            self.taken = 0;
        } else {
            self.taken = self.taken.saturating_add(now.len());
        }
        true
    }

    /// Opens every record that is whole in `bytes`; keeps the rest.
    fn open(&mut self, mut bytes: &mut [u8], buf: &mut ReadBuf<'_>) -> io::Result<()> {
        while let [outer, _, _, high, low, ..] = *bytes {
            let len = usize::from(u16::from_be_bytes([high, low]));
            if len > RECORD_MAX_BYTES {
                return Err(broken("a record of excessive length"));
            }
            let whole = HEAD_BYTES.saturating_add(len);
            if bytes.len() < whole {
                break;
            }
            let (record, rest) = std::mem::take(&mut bytes).split_at_mut(whole);
            match self
                .keys
                .open(outer, record.get_mut(HEAD_BYTES..).unwrap_or_default())?
            {
                Opened::Data(data) => {
                    let room = if self.plain.is_empty() { buf.remaining() } else { 0 };
                    let (now, later) = data.split_at(data.len().min(room));
                    buf.put_slice(now);
                    self.plain.extend_from_slice(later);
                }
                Opened::Inner { answer: false } => {}
                Opened::Inner { answer: true } => {
                    let record = self.keys.renew()?;
                    self.outgoing.extend_from_slice(&record);
                }
                Opened::Closed => {
                    self.read_closed = true;
                    return Ok(());
                }
            }
            bytes = rest;
        }
        if bytes.is_empty() {
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// One read of the socket, and what it makes whole.
    fn fill(&mut self, context: &mut Context<'_>, scratch: &mut [u8], buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let kept = self.partial.len();
        let (front, room) = scratch
            .split_at_mut_checked(kept)
            .ok_or_else(|| broken("too much before a record"))?;
        let most = buf.remaining().clamp(RECORD_MAX_BYTES, READ_BYTES);
        let mut fresh = ReadBuf::new(room.get_mut(..most).ok_or_else(|| broken("too much before a record"))?);
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut fresh))?;
        let read = fresh.filled().len();
        if read == 0 {
            // Without a farewell: somebody else may have cut it.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        front.copy_from_slice(&self.partial);
        self.partial.clear();
        let bytes = scratch.get_mut(..kept.saturating_add(read)).unwrap_or_default();
        Poll::Ready(self.open(bytes, buf))
    }

    /// Sends what is sealed already.
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(waiting) = self.outgoing.get(self.sent..).filter(|waiting| !waiting.is_empty()) {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(context, waiting))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent = self.sent.saturating_add(sent);
        }
        self.outgoing = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Sends a record now if the socket has room, and keeps what it has none for.
    fn emit(&mut self, context: &mut Context<'_>, record: Vec<u8>) -> io::Result<()> {
        self.outgoing = record;
        self.sent = 0;
        match self.drain(context) {
            Poll::Ready(done) => done,
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Sealed {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if buf.remaining() == 0 || this.hand_out(buf) {
            return Poll::Ready(Ok(()));
        }
        while !this.read_closed {
            ready!(SCRATCH.with_borrow_mut(|scratch| this.fill(context, scratch, buf)))?;
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sealed {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.write_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(this.drain(context))?;
        if this.keys.is_worn() {
            let record = this.keys.renew()?;
            this.emit(context, record)?;
            ready!(this.drain(context))?;
        }
        let now = buf.get(..PLAIN_MAX_BYTES).unwrap_or(buf);
        if !now.is_empty() {
            let record = this.keys.seal(now)?;
            this.emit(context, record)?;
        }
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().drain(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.drain(context))?;
        if !this.write_closed {
            this.write_closed = true;
            let record = this.keys.close()?;
            this.emit(context, record)?;
        }
        ready!(this.drain(context))?;
        match ready!(Pin::new(&mut this.socket).poll_shutdown(context)) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            Ok(()) | Err(_) => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
