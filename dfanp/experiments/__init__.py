"""The experiments of Demirbilek 2021 as data: settings in, records out."""
