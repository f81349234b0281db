# A wait in the middle of a loop: nothing of what came before is done again.
approved = []
for subject in ("budget", "venue", "speakers"):
    print("asking for", subject)
    announce(f"asked for {subject}")
    answer = wait_for_approval(subject)
    if answer["accepted"]:
        approved.append(subject)
    announce(f"heard about {subject}")
print("approved:", approved)
