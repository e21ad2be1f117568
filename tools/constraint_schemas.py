"""200 JSON schemas of all kinds that answers may be constrained to. Used by make_constraint_fixtures.py and check_with_jsonschema.py."""

DEFINITIONS = {"name": {"type": "string", "minLength": 1, "maxLength": 12}, "count": {"type": "integer", "minimum": 0, "maximum": 99}}


def obj(properties, required=None, **more):
    return {"type": "object", "properties": properties, "required": list(properties) if required is None else required, **more}


def scalars():
    yield True
    yield {}
    yield {"type": "null"}
    yield {"type": "boolean"}
    yield {"type": "integer"}
    yield {"type": "number"}
    yield {"type": "string"}
    yield {"type": ["string", "null"]}
    yield {"type": ["integer", "boolean", "null"]}
    yield {"type": ["integer", "number"]}
    yield {"type": ["array", "object"]}
    yield {"title": "A", "description": "B", "default": 1, "examples": [2], "$comment": "c", "deprecated": True,
           "readOnly": True, "writeOnly": False, "$id": "https://example.com/a", "type": "integer",
           "$schema": "https://json-schema.org/draft/2020-12/schema"}
    for value in (None, True, 0, -3, 1.5, 1e20, "", "a\"b\\c\n\u0001é", [], {}, [1, [2, {"a": None}]],
                  {"b": 1, "a": {"c": [True, False]}}):
        yield {"const": value}
    yield {"enum": ["red", "green", "blue"]}
    yield {"enum": [1, "1", None, [1], {"a": 1}]}
    yield {"enum": [1, 2, "three", 4.5], "type": "number"}
    yield {"enum": [1, 2, 3, 4, 5, 6], "minimum": 2, "exclusiveMaximum": 5}
    yield {"enum": ["a", "ab", "abc", "xyz"], "minLength": 2, "pattern": "^a"}
    yield {"enum": [{"a": 1}, {"a": "x"}, {"b": 2}], "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    yield {"enum": [[1], [1, 2], ["x"]], "items": {"type": "integer"}, "minItems": 2}


def numbers():
    for limits in ({"minimum": 0}, {"minimum": 1, "maximum": 5}, {"minimum": -5, "maximum": 5}, {"exclusiveMinimum": 0, "exclusiveMaximum": 3},
                   {"minimum": 95, "maximum": 1234}, {"maximum": -7}, {"minimum": -120, "maximum": -8}, {"minimum": 1000000},
                   {"minimum": 999, "maximum": 1000}, {"minimum": 0, "maximum": 0}):
        yield {"type": "integer", **limits}
    for limits in ({"minimum": 0, "maximum": 1}, {"minimum": -1.5, "maximum": 2.25}, {"exclusiveMinimum": 0}, {"minimum": 0.001, "maximum": 0.002},
                   {"exclusiveMinimum": 10, "exclusiveMaximum": 11}, {"maximum": 100}, {"minimum": -273.15}, {"minimum": 99.5, "maximum": 1000},
                   {"exclusiveMinimum": -1, "maximum": 0}, {"minimum": 1e6, "maximum": 2e6}):
        yield {"type": "number", **limits}
    for step in (2, 3, 5, 7, 10, 25, 64, 100):
        yield {"type": "integer", "multipleOf": step}
    yield {"type": "integer", "multipleOf": 6, "minimum": 10, "maximum": 100}
    yield {"type": "number", "multipleOf": 0.5}
    yield {"type": "number", "multipleOf": 0.25, "minimum": -2, "maximum": 2}
    yield {"type": "number", "multipleOf": 3, "minimum": 0}
    yield {"allOf": [{"type": "number", "multipleOf": 4}, {"type": "integer", "multipleOf": 6}]}
    yield {"allOf": [{"minimum": 3}, {"maximum": 9}, {"type": "integer"}, {"exclusiveMinimum": 3}]}


def strings():
    for limits in ({"maxLength": 0}, {"maxLength": 3}, {"minLength": 2}, {"minLength": 5, "maxLength": 5}, {"minLength": 1, "maxLength": 40},
                   {"maxLength": 100000}):
        yield {"type": "string", **limits}
    for pattern in ("^[a-z]+$", "^[A-Z]{2}[0-9]{3,5}$", "abc", "^abc", "abc$", "^a|b$", "^(red|green|blue)$", "[0-9]",
                    "^\\+?[0-9]{1,3}( [0-9]{2,4}){1,3}$", "^[^a-z\"]{1,4}$", "^\\w+@\\w+\\.(com|org)$", "^.{3}$", "^(a|b)*abb$",
                    "^[\u00e0-\u00ff\u4e00-\u4e10]{2,4}$", "^\\u0041\\x42$", "^(?:ab){2,3}c?$", "^[\"\\\\\\n]{1,3}$", "^$", "x*"):
        yield {"type": "string", "pattern": pattern}
    yield {"type": "string", "pattern": "^[a-z]*$", "minLength": 3, "maxLength": 6}
    yield {"type": "string", "pattern": "^a*b*c*$", "maxLength": 5}
    yield {"allOf": [{"type": "string", "pattern": "a"}, {"pattern": "b"}, {"pattern": "^[a-e]+$", "maxLength": 5}]}
    for name in ("date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"):
        yield {"type": "string", "format": name}
    yield {"type": "string", "format": "email", "maxLength": 16}
    yield {"type": "string", "format": "hostname", "pattern": "\\.org$"}
    yield {"type": "string", "format": "date", "pattern": "^2024-0[1-3]"}


def arrays():
    integer = {"type": "integer", "minimum": 0, "maximum": 9}
    yield {"type": "array"}
    yield {"type": "array", "items": integer}
    for least, most in ((0, 0), (0, 2), (1, 1), (2, 4), (3, 20), (0, 300)):
        yield {"type": "array", "items": integer, "minItems": least, "maxItems": most}
    yield {"type": "array", "items": {"type": "string", "maxLength": 3}, "minItems": 5}
    yield {"type": "array", "items": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3}, "maxItems": 3}
    yield {"type": "array", "items": False}
    yield {"type": "array", "prefixItems": [integer, {"type": "boolean"}], "items": False}
    yield {"type": "array", "prefixItems": [integer, {"type": "boolean"}], "items": {"type": "null"}}
    yield {"type": "array", "prefixItems": [integer, {"type": "boolean"}, {"const": "x"}], "minItems": 2, "maxItems": 4}
    yield {"type": "array", "prefixItems": [integer], "minItems": 3, "items": {"type": "null"}}
    yield {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True}
    yield {"type": "array", "items": {"enum": [1, 2, 3, None]}, "uniqueItems": True, "minItems": 2, "maxItems": 3}
    yield {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 1}
    yield {"type": "array", "items": {"anyOf": [{"const": 1}, {"type": "string", "maxLength": 1}]}}
    yield {"allOf": [{"type": "array", "items": {"type": "integer"}}, {"items": {"minimum": 5, "maximum": 8}, "maxItems": 3}]}
    yield {"allOf": [{"type": "array", "prefixItems": [{"type": "integer"}]}, {"prefixItems": [{"maximum": 3, "minimum": 1}, {"const": 0}]}],
           "minItems": 2, "maxItems": 2}


def objects():
    string = {"type": "string", "maxLength": 4}
    integer = {"type": "integer", "minimum": 0, "maximum": 9}
    yield {"type": "object"}
    yield obj({"a": integer})
    yield obj({"name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}})
    yield obj({"z": integer, "a": string, "m": {"type": "boolean"}}, ["a"])
    yield obj({"a": integer, "b": integer, "c": integer, "d": integer}, [])
    yield obj({"a": integer, "b": string}, ["a"], additionalProperties=False)
    yield obj({"a": integer, "b": string}, ["a"], additionalProperties={"type": "boolean"})
    yield obj({"a": integer}, ["a"], additionalProperties=True)
    yield {"type": "object", "additionalProperties": integer}
    yield {"type": "object", "additionalProperties": False}
    yield {"type": "object", "additionalProperties": {"type": "string", "maxLength": 2}, "minProperties": 2, "maxProperties": 4}
    yield obj({"a": integer, "b": integer, "c": integer}, [], minProperties=2, additionalProperties=False)
    yield obj({"a": integer, "b": integer, "c": integer}, [], maxProperties=1, additionalProperties=False)
    yield obj({"a": integer, "b": integer, "c": integer}, ["b"], minProperties=1, maxProperties=2)
    yield obj({"a": integer}, ["a", "q"], additionalProperties={"type": "null"})
    yield obj({"a": integer}, ["a", "q"])
    yield {"type": "object", "required": ["k", "j"]}
    yield {"type": "object", "patternProperties": {"^x_": integer}}
    yield {"type": "object", "patternProperties": {"^x_": integer}, "additionalProperties": False}
    yield {"type": "object", "patternProperties": {"^x_": integer}, "additionalProperties": {"type": "null"}}
    yield {"type": "object", "patternProperties": {"^[a-c]$": integer}, "additionalProperties": False}
    yield {"type": "object", "patternProperties": {"^a": {"minimum": 3}, "z$": {"maximum": 6}}, "additionalProperties": {"type": "integer"}}
    yield {"type": "object", "properties": {"ab": {"type": "integer"}}, "patternProperties": {"^a": {"minimum": 3, "maximum": 5}}, "required": ["ab"]}
    yield {"type": "object", "propertyNames": {"pattern": "^[a-z]{1,3}$"}, "additionalProperties": integer, "maxProperties": 3} | {
        "propertyNames": {"pattern": "^[a-z]+$"}}
    yield {"type": "object", "propertyNames": {"enum": ["n", "s", "e", "w"]}, "additionalProperties": integer}
    yield {"type": "object", "propertyNames": {"maxLength": 5, "pattern": "^k"}, "additionalProperties": string, "minProperties": 1} | {
        "propertyNames": {"pattern": "^k"}}
    yield obj({"a": integer, "bbbb": integer}, [], propertyNames={"maxLength": 2})
    yield obj({"a\"b\\": integer, "\u00e9\u4e00": string, "": {"type": "null"}, "new\nline": integer})
    yield obj({"outer": obj({"inner": obj({"leaf": integer})})})
    yield obj({"list": {"type": "array", "items": obj({"x": {"type": "number"}, "y": {"type": "number"}}), "maxItems": 3}})
    yield obj({"a": integer, "b": False}, ["a"])
    yield obj({f"field_{i}": [integer, string, {"type": "boolean"}][i % 3] for i in range(30)})
    yield obj({f"field_{i}": integer for i in range(30)}, ["field_7", "field_29"])
    yield obj({"id": {"type": "string", "format": "uuid"}, "at": {"type": "string", "format": "date-time"},
               "mail": {"type": "string", "format": "email"}, "score": {"type": "number", "minimum": 0, "maximum": 1}})


def combinations():
    integer = {"type": "integer", "minimum": 0, "maximum": 9}
    a, b = obj({"kind": {"const": "a"}, "n": integer}), obj({"kind": {"const": "b"}, "s": {"type": "string", "maxLength": 3}})
    yield {"anyOf": [integer, {"type": "string", "maxLength": 2}]}
    yield {"anyOf": [a, b]}
    yield {"oneOf": [a, b]}
    yield {"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}
    yield {"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 7}]}
    yield {"oneOf": [{"type": "integer", "exclusiveMaximum": 3}, {"type": "integer", "minimum": 3}, {"const": "x"}]}
    yield {"oneOf": [{"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "^b"}]}
    yield {"oneOf": [{"type": "array", "maxItems": 1}, {"type": "array", "minItems": 2, "items": integer}]}
    yield {"oneOf": [{"enum": ["a", "b"]}, {"enum": ["c", 1]}]}
    yield obj({"shape": {"oneOf": [a, b]}, "more": {"anyOf": [{"type": "null"}, a]}})
    yield {"type": "object", "properties": {"a": integer}, "required": ["a"], "anyOf": [obj({"b": integer}), obj({"c": integer})]}
    yield {"allOf": [obj({"a": integer}), obj({"b": {"type": "boolean"}})]}
    yield {"allOf": [obj({"a": integer}), {"properties": {"a": {"minimum": 4}}}]}
    yield {"allOf": [obj({"a": integer}, additionalProperties=True), {"additionalProperties": {"type": "integer", "minimum": 0, "maximum": 3}}]}
    yield {"allOf": [{"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}]}
    yield {"anyOf": [{"type": "integer"}, {"type": "number", "minimum": 0, "maximum": 1}], "maximum": 5}
    yield {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "pattern": "^never$"}]}
    yield {"anyOf": [{"anyOf": [{"const": 1}, {"const": 2}]}, {"anyOf": [{"const": "a"}, {"type": "array", "items": {"const": 3}}]}]}
    for least in range(4):
        yield {"allOf": [{"type": "array", "items": integer, "minItems": least}, {"maxItems": least + 1}]}


def references():
    yield {"$ref": "#/$defs/name", "$defs": DEFINITIONS}
    yield {**obj({"name": {"$ref": "#/$defs/name"}, "count": {"$ref": "#/$defs/count"}}), "$defs": DEFINITIONS}
    yield {**obj({"first": {"$ref": "#/definitions/name"}}), "definitions": DEFINITIONS}
    yield {"$defs": DEFINITIONS, "$ref": "#/$defs/count", "minimum": 50}
    yield {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"type": "boolean"}}, "$ref": "#/$defs/a"}
    yield obj({"value": {"type": "integer"}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}})
    yield {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3},
                                            "children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["name"]}
    yield {"$defs": {"list": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/list"}, {"const": 1}]}}}, "$ref": "#/$defs/list"}
    yield {"$defs": {"even": {"type": "array", "prefixItems": [{"$ref": "#/$defs/odd"}], "items": False},
                     "odd": {"type": "array", "prefixItems": [{"$ref": "#/$defs/even"}], "items": False, "minItems": 1}},
           "$ref": "#/$defs/even"}
    yield {"$defs": {"node": {"type": "object", "additionalProperties": {"$ref": "#/$defs/node"}}}, "$ref": "#/$defs/node"}
    yield {"$defs": {"expr": {"oneOf": [{"type": "integer"}, obj({"op": {"enum": ["+", "*"]}, "left": {"$ref": "#/$defs/expr"},
                                                                 "right": {"$ref": "#/$defs/expr"}})]}}, "$ref": "#/$defs/expr"}
    yield {"$defs": {"a/b": {"const": 1}, "c~d%": {"const": 2}},
           "anyOf": [{"$ref": "#/$defs/a~1b"}, {"$ref": "#/$defs/c~0d%25"}]}
    yield {"properties": {"a": {"$ref": "#/properties/b"}, "b": {"type": "integer", "minimum": 1, "maximum": 3}}, "type": "object", "required": ["a"]}


def tools():
    """The arguments of functions, as programs ask for them."""
    text = {"type": "string", "minLength": 1, "maxLength": 20}
    yield obj({"location": text, "unit": {"enum": ["celsius", "fahrenheit"]}}, ["location"], additionalProperties=False)
    yield obj({"title": text, "year": {"type": "integer", "minimum": 1900, "maximum": 2100}, "rating": {"type": "number", "minimum": 0, "maximum": 10}})
    yield obj({"from": {"type": "string", "pattern": "^[A-Z]{3}$"}, "to": {"type": "string", "pattern": "^[A-Z]{3}$"},
               "date": {"type": "string", "format": "date"}, "seats": {"type": "integer", "minimum": 1, "maximum": 9}})
    yield obj({"query": text, "limit": {"type": "integer", "minimum": 1, "maximum": 100}, "filters": {"type": "object", "additionalProperties": text}}, ["query"])
    yield obj({"steps": {"type": "array", "items": obj({"thought": text, "action": {"enum": ["search", "read", "stop"]}}), "minItems": 1, "maxItems": 4},
               "answer": text})
    yield obj({"people": {"type": "array", "items": obj({"name": text, "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 130}}), "minItems": 1}})
    yield obj({"sentiment": {"enum": ["positive", "neutral", "negative"]}, "confidence": {"type": "number", "minimum": 0, "maximum": 1}}, additionalProperties=False)
    yield obj({"sql": {"type": "string"}, "parameters": {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}}})
    yield obj({"invoice": obj({"number": {"type": "string", "pattern": "^INV-[0-9]{4,6}$"}, "lines": {
        "type": "array", "minItems": 1, "maxItems": 5, "items": obj({"item": text, "quantity": {"type": "integer", "minimum": 1, "maximum": 1000},
                                                                    "price": {"type": "number", "minimum": 0, "maximum": 100000}})}})})
    yield obj({"matrix": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}}}})
    yield obj({"a": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]}, "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}, additionalProperties=False)


SCHEMAS = [*scalars(), *numbers(), *strings(), *arrays(), *objects(), *combinations(), *references(), *tools()]
