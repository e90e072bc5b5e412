"""
Servers, good and bad, for tests: each on its own port of 127.0.0.1 and, where it can, in the reactor of the tests.

- `scripted`: answers byte for byte what a test tells it to, with `steps` and ready-made `answers`
- `faulty`: a TCP proxy with latency, limits, stalls and resets
- `nginx`: the real one, as the oracle
- `proxies`: real ones: squid, tinyproxy, microsocks, danted
- `ftp`: a scripted FTP server
- `ftpd`: the real ones, vsftpd and pyftpdlib
- `dns`: answers names right, wrong, late or never
- `netns`: a network of one's own for blackholes, loss and few ports (root only)
- `tls`: a certificate authority and server contexts
- `corpus`: files with known digests
- `client`: a plain socket, to see what servers really send
- `programs`: `require(name)` for the programs that tests start

`fixtures` starts and ends them for a test.
"""
