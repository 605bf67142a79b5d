//! The part of SOCKS 5 (RFC 1928) that opens a tunnel.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(super) const VERSION: u8 = 5;
const PASSWORD: u8 = 2;

/// A request for a tunnel.
pub(super) struct Request {
    /// `host:port`, with the name as received.
    pub(super) target: String,
    pub(super) user: Option<(String, String)>,
}

/// Reads the client's side up to the target. Demands a user only if `wants_user`.
pub(super) async fn read(stream: &mut TcpStream, wants_user: bool) -> io::Result<Request> {
    stream.read_u8().await?;
    text(stream).await?;
    let user = if wants_user {
        stream.write_all(&[VERSION, PASSWORD]).await?;
        stream.read_u8().await?;
        let user = (text(stream).await?, text(stream).await?);
        stream.write_all(&[1, 0]).await?;
        Some(user)
    } else {
        stream.write_all(&[VERSION, 0]).await?;
        None
    };
    stream.read_exact(&mut [0; 3]).await?;
    let host = match stream.read_u8().await? {
        1 => Ipv4Addr::from(stream.read_u32().await?).to_string(),
        4 => format!("[{}]", Ipv6Addr::from(stream.read_u128().await?)),
        _ => text(stream).await?,
    };
    Ok(Request { target: format!("{host}:{}", stream.read_u16().await?), user })
}

/// Reports whether the tunnel is open.
pub(super) async fn answer(stream: &mut TcpStream, is_open: bool) -> io::Result<()> {
    const NOT_ALLOWED: u8 = 2;
    let status = if is_open { 0 } else { NOT_ALLOWED };
    stream.write_all(&[VERSION, status, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

/// Bytes with a length prefix.
async fn text(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
