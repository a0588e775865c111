"""How much CPU time the tap takes, beside other programs: `make bench`."""
