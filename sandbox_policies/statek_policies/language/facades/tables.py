"""Which names of the standard library are handed out as they are, module by module.

A name is listed when it computes from its arguments alone: it opens nothing, evaluates no text as code, reads no
attribute by a computed name, and asks neither the clock nor chance. What needs one of these is offered by a replacement
of ours, in the other files of this folder.
"""

PURE: dict[str, str] = {
    "abc": "ABC abstractmethod abstractproperty abstractclassmethod abstractstaticmethod",
    "array": "array typecodes",
    "base64": (
        "b64encode b64decode standard_b64encode standard_b64decode urlsafe_b64encode urlsafe_b64decode "
        "b32encode b32decode b32hexencode b32hexdecode b16encode b16decode a85encode a85decode b85encode "
        "b85decode encodebytes decodebytes"
    ),
    "binascii": "hexlify unhexlify a2b_hex b2a_hex a2b_base64 b2a_base64 crc32 crc_hqx Error Incomplete",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "calendar": (
        "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY Calendar TextCalendar HTMLCalendar isleap leapdays "
        "weekday monthrange monthcalendar month calendar timegm weekheader day_name day_abbr month_name month_abbr "
        "IllegalMonthError IllegalWeekdayError"
    ),
    "cmath": (
        "acos acosh asin asinh atan atanh cos cosh e exp inf infj isclose isfinite isinf isnan log log10 "
        "nan nanj phase pi polar rect sin sinh sqrt tan tanh tau"
    ),
    "collections": "ChainMap Counter OrderedDict UserString defaultdict deque",
    "collections.abc": (
        "Awaitable AsyncIterable AsyncIterator ByteString Callable Collection Container Coroutine Generator Hashable "
        "ItemsView Iterable Iterator KeysView Mapping MappingView MutableMapping MutableSequence MutableSet Reversible "
        "Sequence Set Sized ValuesView"
    ),
    "colorsys": "hls_to_rgb hsv_to_rgb rgb_to_hls rgb_to_hsv rgb_to_yiq yiq_to_rgb",
    "contextlib": ("AbstractContextManager ContextDecorator ExitStack closing contextmanager nullcontext suppress"),
    "copy": "Error copy deepcopy",
    "csv": (
        "Dialect DictReader DictWriter Error QUOTE_ALL QUOTE_MINIMAL QUOTE_NONE QUOTE_NONNUMERIC Sniffer "
        "excel excel_tab reader unix_dialect writer"
    ),
    "dataclasses": "FrozenInstanceError InitVar KW_ONLY MISSING asdict astuple field fields is_dataclass replace",
    "datetime": "MAXYEAR MINYEAR UTC date datetime time timedelta timezone tzinfo",
    "decimal": (
        "Clamped Context ConversionSyntax Decimal DecimalException DecimalTuple DivisionByZero "
        "DivisionImpossible DivisionUndefined FloatOperation Inexact InvalidContext InvalidOperation "
        "MAX_EMAX MAX_PREC MIN_EMIN MIN_ETINY Overflow ROUND_05UP ROUND_CEILING ROUND_DOWN ROUND_FLOOR "
        "ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP Rounded Subnormal Underflow getcontext "
        "localcontext setcontext"
    ),
    "difflib": (
        "Differ IS_CHARACTER_JUNK IS_LINE_JUNK Match SequenceMatcher context_diff "
        "get_close_matches ndiff restore unified_diff"
    ),
    "enum": (
        "CONFORM CONTINUOUS EJECT KEEP NAMED_FLAGS STRICT UNIQUE EnumCheck FlagBoundary auto member nonmember unique "
        "verify"
    ),
    "fnmatch": "filter fnmatch fnmatchcase translate",
    "fractions": "Fraction",
    "functools": "cache cached_property cmp_to_key lru_cache partial partialmethod reduce",
    "graphlib": "CycleError TopologicalSorter",
    "hashlib": (
        "algorithms_available algorithms_guaranteed blake2b blake2s md5 new pbkdf2_hmac sha1 sha224 sha256 "
        "sha384 sha3_224 sha3_256 sha3_384 sha3_512 sha512 shake_128 shake_256"
    ),
    "heapq": "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest",
    "hmac": "compare_digest digest new",
    "html": "escape unescape",
    "io": "BytesIO SEEK_CUR SEEK_END SEEK_SET StringIO UnsupportedOperation",
    "itertools": (
        "accumulate chain combinations combinations_with_replacement compress count cycle dropwhile "
        "filterfalse groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest"
    ),
    "json": "JSONDecodeError JSONDecoder JSONEncoder dump dumps load loads",
    "keyword": "iskeyword issoftkeyword kwlist softkwlist",
    "math": (
        "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc "
        "exp exp2 expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf "
        "isnan isqrt lcm ldexp lgamma log log10 log1p log2 modf nan nextafter perm pi pow prod radians "
        "remainder sin sinh sqrt tan tanh tau trunc ulp"
    ),
    "numbers": "Complex Integral Number Rational Real",
    "operator": (
        "abs add and_ call concat contains countOf delitem eq floordiv ge getitem gt iadd iand iconcat "
        "ifloordiv ilshift imatmul imod imul index indexOf inv invert ior ipow irshift is_ is_not isub "
        "itemgetter itruediv ixor le length_hint lshift lt matmul mod mul ne neg not_ or_ pos pow rshift "
        "setitem sub truediv truth xor"
    ),
    "pathlib": "PurePath PurePosixPath PureWindowsPath",
    "pprint": "isreadable isrecursive pformat saferepr",
    "re": (
        "A ASCII DOTALL I IGNORECASE L LOCALE M MULTILINE Match NOFLAG Pattern RegexFlag S U UNICODE "
        "VERBOSE X compile error escape findall finditer fullmatch match search split sub subn"
    ),
    "shlex": "join quote",
    "statistics": (
        "NormalDist StatisticsError correlation covariance fmean geometric_mean harmonic_mean "
        "linear_regression mean median median_grouped median_high median_low mode multimode pstdev "
        "pvariance quantiles stdev variance"
    ),
    "string": (
        "Template ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits "
        "printable punctuation whitespace"
    ),
    "struct": "Struct calcsize error iter_unpack pack pack_into unpack unpack_from",
    "textwrap": "TextWrapper dedent fill indent shorten wrap",
    "time": "mktime strptime struct_time altzone daylight timezone tzname",
    "tomllib": "TOMLDecodeError loads",
    "types": "EllipsisType GenericAlias MethodType NoneType NotImplementedType SimpleNamespace UnionType",
    "typing": (
        "AbstractSet Annotated Any AnyStr AsyncContextManager AsyncGenerator AsyncIterable AsyncIterator "
        "Awaitable BinaryIO ByteString Callable ChainMap ClassVar Collection Concatenate Container "
        "ContextManager Coroutine Counter DefaultDict Deque Dict Final FrozenSet Generator Generic Hashable "
        "IO ItemsView Iterable Iterator KeysView List Literal LiteralString Mapping MappingView Match "
        "MutableMapping MutableSequence MutableSet NamedTuple Never NewType NoReturn NotRequired Optional "
        "OrderedDict ParamSpec ParamSpecArgs ParamSpecKwargs Pattern Protocol Required Reversible Self "
        "Sequence Set Sized SupportsAbs SupportsBytes SupportsComplex SupportsFloat SupportsIndex SupportsInt "
        "SupportsRound Text TextIO Tuple Type TypeAlias TypeGuard TypeVar TypeVarTuple TypedDict Union Unpack "
        "ValuesView assert_never assert_type cast is_typeddict overload runtime_checkable "
        "TYPE_CHECKING"
    ),
    "unicodedata": (
        "bidirectional category combining decimal decomposition digit east_asian_width is_normalized lookup "
        "mirrored name normalize numeric unidata_version"
    ),
    "urllib": "",
    "urllib.parse": (
        "DefragResult ParseResult SplitResult parse_qs parse_qsl quote quote_from_bytes quote_plus unquote "
        "unquote_plus unquote_to_bytes urldefrag urlencode urljoin urlparse urlsplit urlunparse urlunsplit"
    ),
    "uuid": "NAMESPACE_DNS NAMESPACE_OID NAMESPACE_URL NAMESPACE_X500 SafeUUID UUID uuid3 uuid5",
    "zlib": "adler32 compress crc32 decompress error",
    "zoneinfo": "ZoneInfo ZoneInfoNotFoundError",
}

WITHHELD: dict[str, str] = {
    "string.Formatter": "use an f-string",
    "typing.ForwardRef": "write the annotation as text",
    "random.SystemRandom": "use secrets",
    "difflib.HtmlDiff": "use unified_diff() or ndiff()",
    "hmac.HMAC": "use hmac.new()",
    "contextlib.asynccontextmanager": "there is no event loop",
    "enum.property": "use the built-in property",
    "statistics.LinearRegression": "call linear_regression()",
    "io.open": "there are no files; use io.StringIO or io.BytesIO",
    "io.FileIO": "there are no files; use io.StringIO or io.BytesIO",
    "io.TextIOWrapper": "use io.StringIO",
    "time.tzset": "local time is UTC; use zoneinfo",
    "sys.modules": "use an import statement",
    "sys.stdin": "there is nobody at the console",
    "sys.path": "there are no files",
    "ast.parse": "only literal_eval() is offered",
    "pathlib.Path": "there are no files; use PurePosixPath for paths as text",
    "tomllib.load": "there are no files; use loads()",
    "sys.settrace": "tracing is not offered",
    "zoneinfo.available_timezones": "use a key such as 'Europe/Berlin'",
    "uuid.getnode": "use uuid4()",
    "hashlib.file_digest": "there are no files; use hashlib.sha256(data)",
    "types.CodeType": "code objects are not offered",
    "types.ModuleType": "use types.SimpleNamespace",
    "types.new_class": "use a class statement",
}
"""Advice for names that programs ask for and that are not offered."""

OTHERWISE = "use what the module does offer, see dir()"
