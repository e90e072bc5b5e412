"""One download, without a network: fakes stand where servers, threads and clocks would."""
