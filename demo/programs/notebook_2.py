# Cell 2: uses the objects, the closure and the counter of cell 1
seattle, new_york = stations["Seattle"], stations["New York"]
differences = []
day = date(2012, 1, 1)
while day <= date(2015, 12, 31):
    a, b = seattle.high(day), new_york.high(day)
    score["Seattle" if clearly_warmer(a, b) else "New York" if clearly_warmer(b, a) else "even"] += 1
    differences.append(b - a)
    day += timedelta(days=1)
pending = (value for value in differences if value > 20)
print(f"score so far: {dict(score.most_common())}")
