"""Stand-ins for models, and a checker for modules: for the project's tests and benchmarks, and for users' own.

Stand-ins have no weights and give answers that can be checked. There are three kinds, each with a class for the stages
`listen`, `translate` and `speak`: `noop` answers at once, `timed` takes as long as it is told, `faulty` fails as it is
told. `stand_in_stages` and `write_configuration` make a relay of them. `check_module` tests a module against the
contract. Imports `contract` and `weights`.
"""

from modules.testing.checker import ContractViolation, check_module
from modules.testing.configuration import stand_in_stages, write_configuration

__all__ = ["ContractViolation", "check_module", "stand_in_stages", "write_configuration"]
