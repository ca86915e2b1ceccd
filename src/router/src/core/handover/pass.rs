//! Open sockets through a local socket (`SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Most sockets in one message; a router has four at most.
const SOCKETS_MAX: usize = 16;
/// Room for them.
const SPACE: usize = rustix::cmsg_space!(ScmRights(SOCKETS_MAX));

/// Sends them with one byte.
pub(super) async fn send(stream: &UnixStream, sockets: &[OwnedFd]) -> io::Result<()> {
    let sockets: Vec<BorrowedFd<'_>> = sockets.iter().map(OwnedFd::as_fd).collect();
    let send = || {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    };
    stream.async_io(Interest::WRITABLE, send).await
}

/// Receives what came with one byte.
pub(super) async fn receive(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let receive = || {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let got = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut byte)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        if got.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let sockets = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        });
        Ok(sockets.flatten().collect())
    };
    stream.async_io(Interest::READABLE, receive).await
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_listening_socket_keeps_its_queue_when_it_changes_hands() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = TcpStream::connect(address).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&ours, &[listener.into()]).await.unwrap();
        let [socket] = <[_; 1]>::try_from(receive(&theirs).await.unwrap()).unwrap();
        let (mut client, _) = TcpListener::from(socket).accept().unwrap();
        client.write_all(b"!").unwrap();
        let mut heard = [0];
        queued.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"!");
    }

    #[tokio::test]
    async fn no_sockets_are_no_error_and_a_closed_peer_is_one() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&ours, &[]).await.unwrap();
        assert!(receive(&theirs).await.unwrap().is_empty());
        drop(ours);
        assert!(receive(&theirs).await.is_err());
    }
}
