open_slots = calendar.find_open_slots(today)
meeting = calendar.find_meeting("planning")
meeting.move_to(open_slots[0])
print(meeting.title, "is now at", meeting.starts)

meeting.people.append("ada")
review = calendar.find_meeting("review")
print(swap(meeting, review))

import time

for other in calendar.meetings:
    time.sleep(1)  # kill something while it sleeps
    print(f"{other.starts:%H:%M} {other.title}, moved {other.moves} times, with {list(other.people)}")
