//! The server's address, and the check that it is ready.

use crate::{Error, Listen, free_port};
use std::{
    env, fs,
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    os::unix::{fs::DirBuilderExt, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

/// A unix socket's path must fit into `sockaddr_un` with its closing zero: 108 bytes on Linux, 104 on macOS.
const SOCKET_PATH_MAX_BYTES: usize = 103;

/// A server that loads its file answers at once too, with `-LOADING`.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// The expected answer is shorter than 2 kB. A stranger on the address gets no more memory than this.
const ANSWER_MAX_BYTES: u64 = 16 * 1024;

/// The server's address, fixed for the supervisor's life so that clients find it again after a restart.
#[derive(Debug)]
pub(crate) enum Address {
    Socket { path: PathBuf, short_dir: Option<PathBuf> },
    Port(u16),
}

impl Address {
    pub(crate) fn choose(listen: Listen, data_dir: &Path) -> Result<Self, Error> {
        match listen {
            Listen::Socket => Self::socket(data_dir),
            Listen::Loopback => free_port()
                .map(Self::Port)
                .map_err(|source| Error::System { action: "find a free port on 127.0.0.1", source }),
        }
    }

    /// In the data folder, or in a private folder where that path is too long for a socket.
    fn socket(data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join("redis.sock");
        if path.as_os_str().len() <= SOCKET_PATH_MAX_BYTES {
            return Ok(Self::Socket { path, short_dir: None });
        }
        let random = RandomState::new().build_hasher().finish();
        let short_dir = env::temp_dir().join(format!("bursar-redis-{random:x}"));
        // Fails if the folder exists, so that another user cannot prepare it.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&short_dir)
            .map_err(|source| Error::System { action: "make a folder for the server's socket", source })?;
        Ok(Self::Socket { path: short_dir.join("redis.sock"), short_dir: Some(short_dir) })
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Socket { path, .. } => format!("redis+unix://{}", path.display()),
            Self::Port(port) => format!("redis://127.0.0.1:{port}/"),
        }
    }

    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Socket { path, .. } => {
                vec![("port", "0".into()), ("unixsocket", path.display().to_string()), ("unixsocketperm", "700".into())]
            }
            Self::Port(port) => vec![("bind", "127.0.0.1".into()), ("port", port.to_string())],
        }
    }

    /// Removes the socket that a killed server left. Call it only under the data folder's lock, when no server listens
    /// there.
    pub(crate) fn clear(&self) {
        if let Self::Socket { path, .. } = self {
            let _ = fs::remove_file(path);
        }
    }

    /// True if the server with this process number has loaded its file and takes commands.
    pub(crate) fn is_ready(&self, pid: u32) -> bool {
        let ready = match self {
            Self::Socket { path, .. } => UnixStream::connect(path).and_then(|stream| {
                stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                answers_as(stream, pid)
            }),
            Self::Port(port) => TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port)).and_then(|stream| {
                stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                answers_as(stream, pid)
            }),
        };
        ready.unwrap_or(false)
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.clear();
        if let Self::Socket { short_dir: Some(folder), .. } = self {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Another server may take the port first and would answer as well, so the answer's process number is compared.
fn answers_as(mut stream: impl Read + Write, pid: u32) -> io::Result<bool> {
    stream.write_all(b"PING\r\nINFO server\r\n")?;
    let mut lines = BufReader::new(stream.take(ANSWER_MAX_BYTES)).lines();
    let Some(pong) = lines.next().transpose()? else {
        return Ok(false);
    };
    // A server with a password in its settings refuses a stranger, and is ready all the same.
    if pong.starts_with("-NOAUTH") {
        return Ok(true);
    }
    if pong != "+PONG" {
        return Ok(false);
    }
    let ours = format!("process_id:{pid}");
    for line in lines {
        if line? == ours {
            return Ok(true);
        }
    }
    Ok(false)
}
