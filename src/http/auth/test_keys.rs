//! Test keys, which every copy of this repository contains: never trust them.

/// An RSA private key.
pub const RSA_PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCMyZNMCT/zn1+J
sdfUJcXt5ilCxrSm0Gp2XXV6C6y4n7ylmyf3dNqaRS9evvUOsazHmvDC4cknL0nC
woeRhle89qhFOU10yxPYhxKtu4mIyxPuVCGt/o8b7qfU2xIRzAE6yNsWxODRkPhX
R/2AFCyPrGnkjRe5EwsDZuSG0U2ZR5gXC5Jal8uu6xttAKYdYcpl/hXz2ynG1oW7
+q1BhDU2SP/dvVUqGf+E1mVOCntSMvPnb1rGoFEcHKH1Ihcp8je/AAE6YcovQIUq
fxLBe9i/lruuIHDU6rWeFq+vGssXJSRD8G16+RunuqSlu4cap1NZwJgJ8pvDCb2x
7nCIJaWPAgMBAAECggEAAKah7rUQPaEcAPf4hnuSObJZuHxQs4C9LUTrWSAasVPT
vHRGMAezRwlQ2cBKQ8IgiV+3Az+l/W9jiOn7VHnph+8gAgnsyMBznAmr1W/Lh/1g
Xza2XSaTJM7qqbpFkB2AV/Q7xxQr8ewYqdakXmY5eoSSjML2PB3RbDeakOEA2deQ
I5It/q7in47Z+o1Wejw8gk0hg2bq9PixmmBuV5+/kYCpIEcfj5O6VrhbpUSHaa70
NWVOov/1dAGImB2GwWmeWYvkrrwPYNtFX7wVUokeqfL2jdDhUKxWJCcCCJWogPTj
ioiOFIRbRKH5obVAoI35FypkAEAKim2/eaqeAft46QKBgQDGzJA9n288Ir392VrP
r5235iykiDgkDkrP98U3HMO1HL+nNmlO8btzYJ1W2+XhtKfHJDf/YXlUf5PIfVAM
h7F8eDY1B0GhV+kWVIZ7S+yItPlKn9G6qOgKlf18QMYLgoReLbh597C+uyAJGnPS
2HhKBWtmAlQuRE7N28RoNLv7uwKBgQC1S+b/g39TL67GNnFuBhY9+qFw+F5Ij3EI
gW8mrYv0e1mAakktVoqNc+Xy4YUv005vNoeX96i3XFWmOgrCBnpibJpKZuGK6xH1
KusGdgf2bO/QturnjXdrQJRln5hDtT8xB8Y34zsGwU8wgu3c+dyJooAk0Kpuya5Y
QIqf5gRePQKBgHPZ4nUG5Jv24yF7+R/vB8qTqJB5kb3xVke77IIhkSuKhWW8n8IR
vVuPgiGMJHtT/DJhOQDqnPpRHp5H6M5khVoz8+MTR3vu7zbEK1rO9Bj23hBO8roE
lLUWk5JFbSRn+xunKUpqveVox1KGx9inrfH1FpFr6gLMa+ArolnX4XThAoGACsfF
p6HxG0g1k1G/cvRntC3IFcifCp+E8CWKL3mYXeRL0SgAy/JecMTYgpXIbqyY+GH8
tBuk66pQ6X6AD0OFWX7tucjeVn1d5v8zVIIGPTADHp0R4Mz3sef4KwbPbg9D/61f
qwkXBHLQO6k9batp4sFH72h9CfNyK4tC8vkhf10CgYEAmlfYRcFHIQ84p5A9Hhsa
OfOg8rq+ML8XQ1lTDf2i2GBMl7wJu3UeMxoWQT+MKUgBjFe6FvieNyHY3dCJJ2ng
2GmP63EWf3kxYYHbN1uS4Z4fMPI3/3/St14yGC6yC78YrCCdAhaq1d39z/Ar8xOg
4NaYEEYixUOP3yDClYQGNy8=
-----END PRIVATE KEY-----
";

/// The public half of [`RSA_PRIVATE`].
pub const RSA_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAjMmTTAk/859fibHX1CXF
7eYpQsa0ptBqdl11egusuJ+8pZsn93TamkUvXr71DrGsx5rwwuHJJy9JwsKHkYZX
vPaoRTlNdMsT2IcSrbuJiMsT7lQhrf6PG+6n1NsSEcwBOsjbFsTg0ZD4V0f9gBQs
j6xp5I0XuRMLA2bkhtFNmUeYFwuSWpfLrusbbQCmHWHKZf4V89spxtaFu/qtQYQ1
Nkj/3b1VKhn/hNZlTgp7UjLz529axqBRHByh9SIXKfI3vwABOmHKL0CFKn8SwXvY
v5a7riBw1Oq1nhavrxrLFyUkQ/Btevkbp7qkpbuHGqdTWcCYCfKbwwm9se5wiCWl
jwIDAQAB
-----END PUBLIC KEY-----
";

/// The same key in PKCS #1.
pub const RSA_PUBLIC_PKCS1: &str = "\
-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAjMmTTAk/859fibHX1CXF7eYpQsa0ptBqdl11egusuJ+8pZsn93Ta
mkUvXr71DrGsx5rwwuHJJy9JwsKHkYZXvPaoRTlNdMsT2IcSrbuJiMsT7lQhrf6P
G+6n1NsSEcwBOsjbFsTg0ZD4V0f9gBQsj6xp5I0XuRMLA2bkhtFNmUeYFwuSWpfL
rusbbQCmHWHKZf4V89spxtaFu/qtQYQ1Nkj/3b1VKhn/hNZlTgp7UjLz529axqBR
HByh9SIXKfI3vwABOmHKL0CFKn8SwXvYv5a7riBw1Oq1nhavrxrLFyUkQ/Btevkb
p7qkpbuHGqdTWcCYCfKbwwm9se5wiCWljwIDAQAB
-----END RSA PUBLIC KEY-----
";

/// A P-256 private key.
pub const P256_PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtQCaOb6bkHrlw99Y
xhpGY0OR75eZ2V1oMVPnv7LMaMOhRANCAAQow7yAXIhts+tb6RYWSuWJjquICHzr
/BqaS2xFE1/mQORtdOUgQQZwxRDXYhAXvII4cBqVb4PYUJ+uRN+oatNx
-----END PRIVATE KEY-----
";

/// The public half of [`P256_PRIVATE`].
pub const P256_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKMO8gFyIbbPrW+kWFkrliY6riAh8
6/wamktsRRNf5kDkbXTlIEEGcMUQ12IQF7yCOHAalW+D2FCfrkTfqGrTcQ==
-----END PUBLIC KEY-----
";

/// The same key as [`P256_PRIVATE`] in SEC1, which is not supported.
pub const P256_PRIVATE_SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEILUAmjm+m5B65cPfWMYaRmNDke+XmdldaDFT57+yzGjDoAoGCCqGSM49
AwEHoUQDQgAEKMO8gFyIbbPrW+kWFkrliY6riAh86/wamktsRRNf5kDkbXTlIEEG
cMUQ12IQF7yCOHAalW+D2FCfrkTfqGrTcQ==
-----END EC PRIVATE KEY-----
";

/// An Ed25519 private key.
pub const ED25519_PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIPHklfoYjsFGMIxGB3bqt2SRJu1KL2drshbOQpIhWOT4
-----END PRIVATE KEY-----
";

/// The public half of [`ED25519_PRIVATE`].
pub const ED25519_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA+IpQrb69rMWAzz94Rb9MrVdu7xu4boeQQdlrqfk2tqU=
-----END PUBLIC KEY-----
";

/// The Ed25519 private key of another issuer.
pub const OTHER_ED25519_PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIOCk/TxfIKnQe9oVGdiSUszwm+5NWXF8ztn4g6pkH+hg
-----END PRIVATE KEY-----
";

/// A private key on an unsupported curve.
pub const P384_PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDButEVOQrfqZl9fioA4
rivW5WUJFiHtRDcFXNnKb0QtuYQ2h1UB/rWne5ZWuD1XlpWhZANiAATzgJ7jtcj3
/hAzRuZNgqQ2xUPlgO6mZ+BfMKUi+9XFKj4q4Rc5mLeYRUxf0ilbpCBvTZ412aeT
mBmY9MvuRUQbzSxj5n0zN+pT2k+q8ChZtunGpV8igTtV4eeeI2sMIdA=
-----END PRIVATE KEY-----
";

/// The public half of [`P384_PRIVATE`].
pub const P384_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE84Ce47XI9/4QM0bmTYKkNsVD5YDupmfg
XzClIvvVxSo+KuEXOZi3mEVMX9IpW6Qgb02eNdmnk5gZmPTL7kVEG80sY+Z9Mzfq
U9pPqvAoWbbpxqVfIoE7VeHnniNrDCHQ
-----END PUBLIC KEY-----
";

/// A public key on an unsupported curve, with points of the same length as P-256.
pub const SECP256K1_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEV38Mik4VDriicgIPvEuMZtpy7MC0lcY1
kFp5XvT9ge2nDX6Y/d0UikfaF8VuoaHJ5wlKe7QFSWeooNeILBdobA==
-----END PUBLIC KEY-----
";

/// A public key on an unsupported curve.
pub const ED448_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MEMwBQYDK2VxAzoAx/q7/viSZYqLf/+UGNhwa0Z1/65QuTLTED/SGtTEW0ImISpE
CY7L9XVQCnCEexZfiCM/lyIQObYA
-----END PUBLIC KEY-----
";

/// An RSA key that is too short.
pub const RSA_1024_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDRrweFXJKYuZPyQBUoXQAxkuoe
Yt90t8O9FzkT1a0q2/HtggX739UfR70as+7S1QqNbzTiRc8AKR4iP8kr3hrcnULl
NCH0LmdU1/GfbwlaFqnL82Uq6r2McT3kbrsXZ8ncQR2Ol20JGZfnxIKpW4jPXtUJ
QBAUF3WjsY+/4/VziQIDAQAB
-----END PUBLIC KEY-----
";
