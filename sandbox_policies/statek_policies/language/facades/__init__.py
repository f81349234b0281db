"""What an import gives in place of a module.

facade     the frozen object
tables     what is handed out as it is
catalogue  the facades that every guest shares
enums callables records console    replacements, each bound to one guest where it must be
"""
