# Cell 3: the generator of cell 2 cannot be kept, everything else is still here
import json
from statistics import median

assert seattle is stations["Seattle"], "the two names still mean one object"
extreme = [round(value, 1) for value in differences if value > 20]
print(f"{len(extreme)} days were more than 20 degrees warmer in New York; the median difference is {median(differences):.1f}")
print("RESULT", json.dumps({"score": dict(score), "extreme": sorted(extreme, reverse=True), "days": len(differences)}))
