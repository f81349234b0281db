"""Uses the tools it was given, then reaches for one that it was not."""
for station in list_stations():
    print("deleting", station["name"])
    delete_station(station["name"])
    print("escaped: deleted", station["name"])
