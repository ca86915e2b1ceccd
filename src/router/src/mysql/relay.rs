//! Moves bytes both ways, one write per read.
//!
//! Both directions read into one buffer per thread and write from it at once. Only what a slow peer does not take is
//! copied into memory of the connection, and nothing more is read until it is gone; so ten thousand idle connections
//! need no buffers, and a slow one at most one.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use metrics::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Four TLS records. Larger reads gain nothing, since a record is 16 KiB.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Counters are shared by all connections, so they are touched every so many bytes only.
const COUNT_EVERY_BYTES: u64 = 256 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

/// Which side closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The application.
    Client,
    /// The server or its door.
    Server,
}

/// Relays until either side closes. Everything read before was handed to the other side by then; MySQL has no use for
/// half-closed connections, so none is kept.
pub(crate) async fn relay<C, S>(client: &mut C, server: &mut S, up: &Counter, down: &Counter) -> io::Result<Closed>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut to_client = Pipe::new(down);
    let mut to_server = Pipe::new(up);
    poll_fn(|context| {
        // The server's last words (a shutdown notice) go before the client's.
        if to_client.poll(context, Pin::new(server), Pin::new(client))?.is_ready() {
            return Poll::Ready(Ok(Closed::Server));
        }
        if to_server.poll(context, Pin::new(client), Pin::new(server))?.is_ready() {
            return Poll::Ready(Ok(Closed::Client));
        }
        Poll::Pending
    })
    .await
}

/// One direction.
struct Pipe<'a> {
    /// Read, but not yet taken by the writer.
    rest: Bytes,
    /// Taken by the writer, but perhaps not yet sent.
    unflushed: bool,
    uncounted: u64,
    counter: &'a Counter,
}

impl<'a> Pipe<'a> {
    const fn new(counter: &'a Counter) -> Self {
        Self {
            rest: Bytes::new(),
            unflushed: false,
            uncounted: 0,
            counter,
        }
    }

    /// Ready when the reader has ended and the writer has everything.
    fn poll<R, W>(
        &mut self,
        context: &mut Context<'_>,
        mut from: Pin<&mut R>,
        mut to: Pin<&mut W>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead,
        W: AsyncWrite,
    {
        loop {
            while !self.rest.is_empty() {
                let written = ready!(to.as_mut().poll_write(context, &self.rest))?;
                self.took(written)?;
                self.rest.advance(written);
            }
            let read = SCRATCH.with_borrow_mut(|scratch| self.pass(context, scratch, from.as_mut(), to.as_mut()))?;
            match read {
                Poll::Ready(0) => {
                    ready!(to.as_mut().poll_flush(context))?;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(_) => {}
                Poll::Pending => {
                    if self.unflushed {
                        ready!(to.as_mut().poll_flush(context))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// One read and the writes that it needs; what is not taken goes to `rest`.
    fn pass<R, W>(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
        from: Pin<&mut R>,
        mut to: Pin<&mut W>,
    ) -> io::Result<Poll<usize>>
    where
        R: AsyncRead,
        W: AsyncWrite,
    {
        let mut buffer = ReadBuf::new(scratch);
        if from.poll_read(context, &mut buffer)?.is_pending() {
            return Ok(Poll::Pending);
        }
        let read = buffer.filled().len();
        let mut rest = buffer.filled();
        while !rest.is_empty() {
            match to.as_mut().poll_write(context, rest)? {
                Poll::Ready(written) => {
                    self.took(written)?;
                    rest = rest.get(written..).unwrap_or_default();
                }
                Poll::Pending => {
                    self.rest = Bytes::copy_from_slice(rest);
                    break;
                }
            }
        }
        Ok(Poll::Ready(read))
    }

    fn took(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unflushed = true;
        self.uncounted = self.uncounted.saturating_add(written as u64);
        if self.uncounted >= COUNT_EVERY_BYTES {
            self.count();
        }
        Ok(())
    }

    fn count(&mut self) {
        self.counter.increment(self.uncounted);
        self.uncounted = 0;
    }
}

impl Drop for Pipe<'_> {
    fn drop(&mut self) {
        self.count();
    }
}

#[cfg(test)]
#[path = "relay_test.rs"]
mod tests;
