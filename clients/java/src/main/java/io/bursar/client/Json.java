package io.bursar.client;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON as Java values: {@code Map}, {@code List}, {@code String}, {@code Boolean}, {@code null}, {@code Long} for whole numbers and
 * {@code BigDecimal} for all others. Java's library has no JSON, and a client should bring no other library.
 */
final class Json {
    /** Objects and lists within each other: a reply of Bursar has a handful. */
    private static final int MAX_DEPTH = 100;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /**
     * Reads a text.
     *
     * @throws IllegalArgumentException if it is no JSON
     */
    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value(0);
        json.space();
        if (json.at < text.length()) throw json.wrong();
        return value;
    }

    /** Writes a value: one of those that are read, any {@code Number}, or a {@link JsonRequest}. */
    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value instanceof JsonRequest) {
            write(((JsonRequest) value).json(), out);
        } else if (value instanceof Map) {
            String comma = "{";
            for (Map.Entry<?, ?> member : ((Map<?, ?>) value).entrySet()) {
                out.append(comma);
                quote(String.valueOf(member.getKey()), out);
                out.append(':');
                write(member.getValue(), out);
                comma = ",";
            }
            out.append(comma.equals("{") ? "{}" : "}");
        } else if (value instanceof Iterable) {
            String comma = "[";
            for (Object item : (Iterable<?>) value) {
                out.append(comma);
                write(item, out);
                comma = ",";
            }
            out.append(comma.equals("[") ? "[]" : "]");
        } else if (value instanceof CharSequence) {
            quote(value.toString(), out);
        } else if (value == null || value instanceof Boolean || isFinite(value)) {
            out.append(value);
        } else {
            throw new IllegalArgumentException("no value of JSON: " + value.getClass().getName());
        }
    }

    private static boolean isFinite(Object value) {
        return value instanceof Number && !Double.isNaN(((Number) value).doubleValue())
                && !Double.isInfinite(((Number) value).doubleValue());
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        for (int at = 0; at < text.length(); at++) {
            char sign = text.charAt(at);
            if (sign == '"' || sign == '\\') {
                out.append('\\').append(sign);
            } else if (sign < ' ') {
                out.append(String.format("\\u%04x", (int) sign));
            } else {
                out.append(sign);
            }
        }
        out.append('"');
    }

    private Object value(int depth) {
        if (depth > MAX_DEPTH) throw wrong();
        space();
        char sign = peek();
        if (sign == '{') return object(depth);
        if (sign == '[') return list(depth);
        if (sign == '"') return string();
        if (word("true")) return Boolean.TRUE;
        if (word("false")) return Boolean.FALSE;
        if (word("null")) return null;
        return number();
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> members = new LinkedHashMap<>();
        at++;
        space();
        if (take('}')) return members;
        do {
            space();
            String name = string();
            space();
            need(':');
            members.put(name, value(depth + 1));
            space();
        } while (take(','));
        need('}');
        return members;
    }

    private List<Object> list(int depth) {
        List<Object> items = new ArrayList<>();
        at++;
        space();
        if (take(']')) return items;
        do {
            items.add(value(depth + 1));
            space();
        } while (take(','));
        need(']');
        return items;
    }

    private String string() {
        need('"');
        StringBuilder out = new StringBuilder();
        for (char sign = next(); sign != '"'; sign = next()) {
            if (sign < ' ') throw wrong();
            out.append(sign == '\\' ? escaped() : sign);
        }
        return out.toString();
    }

    private char escaped() {
        char sign = next();
        switch (sign) {
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case '"':
            case '\\':
            case '/':
                return sign;
            case 'u':
                int code = 0;
                for (int digit = 0; digit < 4; digit++) {
                    int value = Character.digit(next(), 16);
                    if (value < 0) throw wrong();
                    code = code * 16 + value;
                }
                return (char) code;
            default:
                throw wrong();
        }
    }

    private Object number() {
        int begin = at;
        while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) at++;
        String digits = text.substring(begin, at);
        if (!digits.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")) throw wrong();
        return digits.matches("-?[0-9]{1,18}") ? (Object) Long.valueOf(digits) : whole(new BigDecimal(digits));
    }

    /** A whole number that fits is a {@code Long} in any spelling of up to 19 digits. */
    private static Object whole(BigDecimal number) {
        boolean fits = number.scale() == 0 && number.precision() <= 19 && number.toBigInteger().bitLength() < 64;
        return fits ? (Object) number.longValue() : number;
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private char peek() {
        if (at >= text.length()) throw wrong();
        return text.charAt(at);
    }

    private char next() {
        char sign = peek();
        at++;
        return sign;
    }

    private boolean take(char sign) {
        boolean is = at < text.length() && text.charAt(at) == sign;
        if (is) at++;
        return is;
    }

    private void need(char sign) {
        if (!take(sign)) throw wrong();
    }

    private boolean word(String word) {
        boolean is = text.startsWith(word, at);
        if (is) at += word.length();
        return is;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("no JSON at character " + at);
    }
}
