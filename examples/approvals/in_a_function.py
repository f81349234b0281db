# A wait deep inside functions, with something to tidy up on the way out.
def approved_budget(subject, limit):
    announce(f"asked for {subject}")
    try:
        answer = wait_for_approval(subject)
        return min(answer["amount"], limit)
    finally:
        announce(f"done with {subject}")


def plan(names):
    return {name: approved_budget(name, limit=500) for name in names}


budgets = plan(["travel", "catering"])
print("budgets:", budgets, "together", sum(budgets.values()))
