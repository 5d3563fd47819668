"""The whole way of the data on synthetic patients, and a page that shows it."""
