"""The languages of clients and providers. Each translates between bytes and the neutral values of core/model; none knows another."""
