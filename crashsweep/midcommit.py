"""tmp"""


class MidCommit:
    pass
