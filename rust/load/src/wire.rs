//! One connection to the server, plain or with TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockRef, Socket, Type};

/// An address has about 28,000 ports for connections that go out; so many of them are used.
const CONNECTIONS_PER_ADDRESS: usize = 25_000;

/// What slow readers and those who never read take, in bytes, before the server notices.
const SMALL_BUFFER: usize = 4096;

/// See the module's text.
#[derive(Debug)]
pub enum Wire {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Encrypted(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Wire {
    /// Begins to connect; `number` is the connection's own, and decides which address it comes from.
    ///
    /// # Errors
    ///
    /// The system gives no socket, or the server has TLS and this program has not.
    pub fn connect(
        address: SocketAddr,
        is_encrypted: bool,
        number: usize,
        has_small_buffer: bool,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // Closed with a reset: runs that follow each other do not use up the ports.
        socket.set_linger(Some(Duration::ZERO))?;
        if has_small_buffer {
            socket.set_recv_buffer_size(SMALL_BUFFER)?;
        }
        let group = number / CONNECTIONS_PER_ADDRESS;
        if group > 0 && address.ip().is_loopback() {
            let source = Ipv4Addr::new(127, 0, 0, 1 + group as u8);
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        match socket.connect(&address.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => {}
            Err(error) => return Err(error),
        }
        let stream = TcpStream::from_std(StdStream::from(socket));
        if is_encrypted {
            return encrypted(stream);
        }
        Ok(Self::Plain(stream))
    }

    /// Whether a read that does not fill its buffer has got everything that was there.
    pub fn tells_when_drained(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// What became of `connect`.
    ///
    /// # Errors
    ///
    /// Nobody listens there, or the like.
    pub fn check(&self) -> io::Result<()> {
        match SockRef::from(self.stream()).take_error()? {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Lets `registry` tell of it under `token`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(self.stream_mut(), token, interest)
    }

    fn stream(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Encrypted(stream) => stream.get_ref(),
        }
    }

    fn stream_mut(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Encrypted(stream) => stream.get_mut(),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Self::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}

const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

#[cfg(feature = "tls")]
use tls::encrypted;

#[cfg(not(feature = "tls"))]
fn encrypted(_stream: TcpStream) -> io::Result<Wire> {
    let message = "expected a URL of http://; for https:// build with --features tls";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

#[cfg(feature = "tls")]
mod tls {
    //! TLS that trusts any server: what is measured runs on this machine, with a certificate of its own.

    use std::io;
    use std::sync::{Arc, OnceLock};

    use mio::net::TcpStream;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::ring;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{
        ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    };

    use super::Wire;

    pub fn encrypted(stream: TcpStream) -> io::Result<Wire> {
        static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        let config = Arc::clone(CONFIG.get_or_init(trusting));
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Wire::Encrypted(Box::new(StreamOwned::new(session, stream))))
    }

    fn trusting() -> Arc<ClientConfig> {
        let _ = ring::default_provider().install_default();
        let config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        Arc::new(config)
    }

    #[derive(Debug)]
    struct Anybody;

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            ring::default_provider()
                .signature_verification_algorithms
                .supported_schemes()
        }
    }
}
