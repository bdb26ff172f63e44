"""The one exception that stands for a mistake a user can mend."""


class ArtclfError(Exception):
    """Something a user can mend: bad input, an impossible setting, a missing file.

    Its message is one clear line (or one line for each mistake): which file or key, what was got, what is allowed, what to
    type. Commands print it without a traceback and end with exit code 2.
    """
